"""What a weight file must say of its network before anyone can use the weights: shape, strides, input, heads."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from segadapt.core.errors import UserError
from segadapt.models.backbones import NETWORK
from segadapt.models.input import INPUT_CONVENTIONS

METADATA_KEY = "architecture"
FIRST_1X1, THE_3X3 = "first_1x1", "3x3"
TASKS = ("segmentation", "classification")
STRIDE_PLACEMENTS = (FIRST_1X1, THE_3X3)
"""Where layer2's first block halves the map: in its first 1x1 convolution (Caffe, the released code) or in its
3x3 one (torchvision). The tensors are the same; only the weights' own placement gives the features they learned."""


@dataclass(frozen=True)
class Architecture:
    """A segmentation network, an image classifier, or with ``num_classes`` None a backbone without heads.

    ``backbone`` stands in the ``BACKBONES`` of a network's file, ``input`` is one of ``INPUT_CONVENTIONS``,
    ``class_set`` one of ``CLASS_SETS`` or None if its classes are unknown. ``aspp_branches``, ``auxiliary`` and
    ``stride_placement`` are as in :func:`segadapt.models.deeplabv2` and mean nothing to a network whose file does not
    list them among its ``SWITCHES``.
    A network whose ``task`` is classification has neither branches nor an auxiliary head; ``bottleneck`` is the width
    of a layer before its classes, None for none.
    """

    backbone: str
    num_classes: int | None
    aspp_branches: int = 2
    auxiliary: bool = True
    stride_placement: str = FIRST_1X1
    input: str = "caffe"
    class_set: str | None = None
    task: str = "segmentation"
    bottleneck: int | None = None

    def __post_init__(self) -> None:
        NETWORK.load(self.backbone)
        if self.aspp_branches not in (2, 4):
            raise UserError(f"aspp_branches is {self.aspp_branches!r}; use 2 (as released) or 4 (as in the paper)")
        classes = self.num_classes
        if classes is not None and (isinstance(classes, bool) or not isinstance(classes, int) or classes < 2):
            raise UserError(f"num_classes is {classes!r}; a network needs a whole number of at least 2 classes")
        fields_of = {"stride_placement": STRIDE_PLACEMENTS, "input": tuple(INPUT_CONVENTIONS), "task": TASKS}
        for key, known in fields_of.items():
            if getattr(self, key) not in known:
                raise UserError(f"{key} is {getattr(self, key)!r}; use one of {', '.join(known)}")

    def as_metadata(self) -> dict[str, str]:
        """One entry for the metadata of a weight file."""
        return {METADATA_KEY: json.dumps(asdict(self), sort_keys=True)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], where: object) -> "Architecture":
        """Reads :meth:`as_metadata` back; UserError naming the file ``where`` if it is missing or malformed."""
        if METADATA_KEY not in metadata:
            raise UserError(
                f"{where} does not say which network its weights belong to; make it again, or convert foreign "
                "weights with 'segadapt import-weights'"
            )
        try:
            return cls(**json.loads(metadata[METADATA_KEY]))
        except (ValueError, TypeError, UserError) as error:
            raise UserError(f"{where} describes a network that segadapt does not know ({error})") from error

    def differences(self, other: "Architecture") -> list[str]:
        """The names of the fields in which two networks differ; the class set counts where both name one."""
        names = [field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name)]
        unknown = self.class_set is None or other.class_set is None
        return [name for name in names if not (name == "class_set" and unknown)]
