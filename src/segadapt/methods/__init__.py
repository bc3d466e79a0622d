"""One file a method: what a model learns from target images.

The file ``segadapt/methods/<name>.py`` of a ``target_loss`` in ``params.yaml`` holds a class of the same name, written
together (``max_squares``: ``MaxSquares``), a :class:`Method`. Its options, if it has any, are the fields of a
:class:`Section` named ``Options`` there; ``TAKES`` are the other sections of an entry that it can be combined with.
What a plan needs to know is read from the text (``segadapt.plan.methods``).
"""

from segadapt.core.parameters.section import Section
from segadapt.methods.method import Method
from segadapt.methods.passes import Pass, Prediction, Step
from segadapt.methods.settings import Settings
