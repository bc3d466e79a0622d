"""What every network says of itself: its heads, how its parameters learn, where they start."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from torch import Tensor, nn

if TYPE_CHECKING:
    from segadapt.models.architecture import Architecture
    from segadapt.models.initialisation import Draws


class Group(NamedTuple):
    """Parameters that learn alike: at ``factor`` times the scheduled rate, decaying or not.

    Where ``at_head_factor``, the stage's ``head_factor`` comes on top.
    """

    name: str
    factor: float = 1.0
    at_head_factor: bool = False
    decays: bool = True


BACKBONE, HEADS = Group("backbone"), Group("heads", at_head_factor=True)
NORMS = Group("norms", decays=False)


class Network(nn.Module):
    """``network(image_BCHW)`` is ``(logits_final_BCHW, logits_low_BCHW or None)``; a classifier's features follow them.

    Images are floats in the network's input convention. ``heads`` are the names of the modules that make logits:
    weights of another data set are loaded without them, and they start anew. ``groups`` are rules of how parameters
    learn, (a part of a name, the group): the first whose part is in a parameter's name holds. ``architecture`` is what
    :func:`segadapt.models.build` made the network from, None for one made by hand. Sides of images must be multiples of
    ``multiple``; ``aligned`` says how its predictions are brought to the size of labels, bilinearly.
    """

    heads: ClassVar[tuple[str, ...]] = ()
    groups: ClassVar[tuple[tuple[str, Group], ...]] = ()
    architecture: Architecture | None = None
    multiple: int = 1
    aligned: bool = True
    num_classes: int

    def is_of_head(self, name: str) -> bool:
        """Whether the parameter, statistic or module ``name`` belongs to a head."""
        return name in self.heads or name.startswith(tuple(f"{head}." for head in self.heads))

    def group_of(self, name: str) -> Group:
        """How the parameter ``name`` learns: by ``groups``, else heads at the stage's ``head_factor``; all decay."""
        own = HEADS if self.is_of_head(name) else BACKBONE
        return next((group for part, group in self.groups if part in name), own)

    def released_repeats(self, name: str) -> int:
        """How often a step of the released code updates ``name``; it has one network alone, so once for all others."""
        return 1

    def whole(self, image_BCHW: Tensor) -> tuple[Tensor | None, ...]:
        """What :meth:`forward` gives, of whole images: what is scored, and what a teacher's labels are made of.

        A network that is trained on windows of them has one of its own.
        """
        return self(image_BCHW)

    def start(self, name: str, parameter: Tensor, draws: Draws) -> bool:
        """Sets the parameter ``name`` to where it starts, drawn from ``draws``, and says so.

        False leaves it to the common rules of :func:`segadapt.models.initialise`, which has none for a bare parameter.
        """
        return False
