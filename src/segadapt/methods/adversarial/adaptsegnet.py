"""AdaptSegNet: predictions on target images should look like those on source images.

The discriminator sees the class probabilities at image size (Tsai et al., CVPR 2018; AdaptSegNet
``train_gta2cityscapes_multi.py``). Two levels with ``adversarial.lambda_low`` > 0, one without.
"""

from segadapt.losses.domain import softmax_map
from segadapt.methods.adversarial.output_maps import OutputMaps


class Adaptsegnet(OutputMaps):
    """On class probabilities."""

    output_map = staticmethod(softmax_map)
