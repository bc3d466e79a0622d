"""The discriminator of the adversarial methods: which domain does each patch of an output map come from?"""

from itertools import pairwise

from torch import Tensor, nn

from segadapt.core.errors import UserError
from segadapt.core.workload import SMALLEST_SIDE

SLOPE = 0.2


class Discriminator(nn.Module):
    """Five 4x4 convolutions of stride 2 and padding 1 with leaky ReLU (0.2) between them, no normalisation.

    Channels go from ``num_channels`` over ``width``, 2, 4 and 8 times ``width`` to 1; 2,781,121 parameters at 19 and
    64. A layer that maps C channels to K stands as ``convK`` and ``classifier`` did in the authors' files.
    ``initialise(discriminator, seed, "torch")`` draws the authors' initial weights.

    Source: AdaptSegNet ``model/discriminator.py`` (``FCDiscriminator``); ADVENT has the same network.
    """

    def __init__(self, num_channels: int, width: int = 64) -> None:
        super().__init__()
        channels = (num_channels, width, 2 * width, 4 * width, 8 * width, 1)
        self.conv1, self.conv2, self.conv3, self.conv4, self.classifier = (
            nn.Conv2d(before, after, 4, stride=2, padding=1) for before, after in pairwise(channels)
        )
        self.activation = nn.LeakyReLU(SLOPE)

    def forward(self, map_BCHW: Tensor) -> Tensor:
        """Float maps to scores_B1HW, 1/32 as wide and high, rounded down; a high score says target.

        UserError for maps under 32 pixels wide or high.
        """
        height, width = map_BCHW.shape[2:]
        if min(height, width) < SMALLEST_SIDE:
            raise UserError(
                f"the discriminator was given maps of {width}x{height}; it needs at least {SMALLEST_SIDE} pixels each "
                "way: choose larger sizes for the caches (or the crop) that the adversarial method trains on"
            )
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            map_BCHW = self.activation(layer(map_BCHW))
        return self.classifier(map_BCHW)
