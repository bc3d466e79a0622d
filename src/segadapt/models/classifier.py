"""An image classifier on a ResNet: the whole image is one pixel of a segmentation, whose logits are (B, C, 1, 1).

Facts: He et al. 2016 for the strides; thuml/Transfer-Learning-Library ``tllib/modules/classifier.py`` for the
bottleneck (a linear layer, batch norm, ReLU) between the pooled features and the classes.
"""

from torch import Tensor, nn

from segadapt.models.architecture import FIRST_1X1
from segadapt.models.network import Network
from segadapt.models.networks.deeplab import Backbone, released_repeats, residual_layer

LAYER_STRIDES = (1, 2, 2, 2)


class ClassifierHead(nn.Module):
    """Pooled features to classes, as 1x1 convolutions; with ``bottleneck`` over a layer of that width."""

    def __init__(self, in_channels: int, num_classes: int, bottleneck: int | None) -> None:
        super().__init__()
        self.hidden = None if bottleneck is None else nn.Conv2d(in_channels, bottleneck, 1)
        self.norm = None if bottleneck is None else nn.BatchNorm2d(bottleneck)
        self.relu = nn.ReLU(inplace=True)
        self.classifier = nn.Conv2d(bottleneck or in_channels, num_classes, 1)

    def forward(self, pooled_BF11: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C, 1, 1), and the features (B, F, 1, 1) that they are a linear function of."""
        features_BF11 = pooled_BF11
        if self.hidden is not None:
            features_BF11 = self.relu(self.norm(self.hidden(pooled_BF11)))
        return self.classifier(features_BF11), features_BF11


class ImageClassifier(Network):
    """ResNet, mean over the map, and the head ``layer6``; the tensors of the ResNet are named as torchvision's."""

    heads = ("layer6",)
    released_repeats = staticmethod(released_repeats)

    def __init__(
        self, backbone: Backbone, num_classes: int, bottleneck: int | None = None, stride_placement: str = FIRST_1X1
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.conv1 = nn.Conv2d(3, backbone.width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(backbone.width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            residual_layer(backbone, layer, stride_placement, LAYER_STRIDES[layer - 1]) for layer in (1, 2, 3, 4)
        )
        self.layer6 = ClassifierHead(backbone.channels(4), num_classes, bottleneck)

    @property
    def num_features(self) -> int:
        """Channels of the features that :meth:`forward` returns last."""
        return self.layer6.classifier.in_channels

    def forward(self, image_BCHW: Tensor) -> tuple[Tensor, None, Tensor]:
        """Float images in the network's input convention to ``(logits_BC11, None, features_BF11)``."""
        map_BCHW = self.maxpool(self.relu(self.bn1(self.conv1(image_BCHW))))
        map_BCHW = self.layer4(self.layer3(self.layer2(self.layer1(map_BCHW))))
        logits_BC11, features_BF11 = self.layer6(map_BCHW.mean(dim=(2, 3), keepdim=True))
        return logits_BC11, None, features_BF11
