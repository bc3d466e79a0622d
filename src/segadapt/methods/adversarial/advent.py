"""AdvEnt: the uncertainty of predictions on target images should look like that on source images.

AdaptSegNet's training on weighted self-information maps (Vu et al., CVPR 2019; ADVENT
``advent/domain_adaptation/train_UDA.py``). ADVENT's MinEnt, without discriminators, is ``advent_entropy.py``.
"""

from segadapt.losses.domain import self_information_map
from segadapt.methods.adversarial.output_maps import OutputMaps


class Advent(OutputMaps):
    """On self-information."""

    output_map = staticmethod(self_information_map)
