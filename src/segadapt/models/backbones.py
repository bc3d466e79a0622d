"""Which file builds a network on a backbone, told from the files' text: a plan imports no torch.

A file of ``segadapt/models/networks`` defines

``BACKBONES``
    a mapping, written out, from the backbones' names to their sizes, or to the name of another backbone, which has the
    same encoder, and whose weights may be the initial ones,
``segmentation(architecture)``
    the network that a :class:`segadapt.models.Architecture` describes, a :class:`segadapt.models.Network`,
``classification(architecture)``
    the image classifier, if there is one,
``SWITCHES``
    what of an architecture it goes by beside backbone and classes, written out: of ``aspp_branches``,
    ``stride_placement`` and ``auxiliary``. A network that lacks ``auxiliary`` has no auxiliary head,
``SIDES``
    if it takes no images of any size: what both of their sides must be multiples of, by backbone,
``HIDES_TOKENS``
    True if its ``forward`` takes which of its tokens are hidden, a map of ``token_grid(size)``,
``LEAST_SIZES``
    likewise: the least height and width, by backbone,
``FEATURE_CELL``
    of a network with a method ``features``, whose predictions have them too: pixels of the image, each way, of a cell
    of these features.
"""

from segadapt.core.chosen import Chosen

NETWORK = Chosen("model.backbone", "segadapt.models.networks.{}", {}, "BACKBONES")
