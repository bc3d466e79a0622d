"""Which network of a file is meant: weights lie in nested dictionaries, under prefixes, and beside other weights."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.models.importing.kinds import FAMILIES

COMPILED = "_orig_mod."
"""What ``torch.compile`` puts before the names of a module, wherever in the network that module is."""
SCALE = "Scale."
"""The prefix of the field's initial weights; it stays, for it says what they are (``kinds``)."""
_DEEPEST = 4


@dataclass(frozen=True)
class Part:
    """Named values of one network: those of the dictionary ``place`` whose names began with ``prefix``, without it.

    ``beside`` are the names of what else there is around them, and ``strangers`` those of the same dictionary.
    ``family`` is the key in ``FAMILIES`` of the network that it looks like.
    """

    values: dict[Any, Any]
    place: str = ""
    prefix: str = ""
    beside: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()
    family: str = "resnet"

    @property
    def name(self) -> str:
        """How a user names it: the dictionary, then the prefix, with dots; a dot alone if it has neither."""
        return ".".join(each for each in (self.place, self.prefix.rstrip(".")) if each) or "."


def find_part(path: object, content: dict[Any, Any], wanted: str | None = None) -> Part:
    """The one network in a file, or the one that is ``wanted``; UserError, naming them all, if there are several.

    Where nothing looks like a network of ours, the content is returned as it is, to be refused by what it holds.
    """
    found = list(_networks(content, "", (), 1))
    names = [each.name for each in found]
    listed = ", ".join(f"'{name}'" for name in names)
    if wanted is not None:
        if wanted not in names:
            raise UserError(f"{path} has no network {wanted!r}; those in it are: {listed or 'none'}; correct --part")
        return found[names.index(wanted)]
    if student := _student(found):
        return student
    if len(found) > 1:
        raise UserError(
            f"{path} holds {len(found)} networks ({listed}), and nothing says which one to take; "
            f"add --part {names[0]}, or that of another"
        )
    if not found:
        inner = content.get("state_dict")
        return Part(inner, "state_dict", beside=_names(content, {"state_dict"})) if inner else Part(content)
    (part,) = found
    if part.strangers:
        raise UserError(
            f"{path} holds a network under '{part.name}' and {len(part.strangers)} other keys beside it "
            f"({part.strangers[0]}), which would be lost; add --part {part.name} to take the network alone"
        )
    return part


def _student(found: list[Part]) -> Part | None:
    """The one that its authors score, where what lies beside it is known by its prefix."""
    for part in found:
        family = FAMILIES[part.family]
        others = [each for each in found if each is not part]
        known = tuple(family.beside)
        if family.student and part.prefix == family.student and (others or part.strangers):
            explained = all(each.place == part.place and each.prefix.startswith(known) for each in others)
            if explained and all(name.startswith(known) for name in part.strangers):
                return part
    return None


def _networks(values: dict[Any, Any], place: str, around: tuple[str, ...], depth: int) -> Iterator[Part]:
    """Those at ``place``, then those in its dictionaries; an optimiser's, which may bear the same names, are none."""
    bare = {key: key.replace(COMPILED, "") if isinstance(key, str) else key for key in values}
    families = {
        name.removesuffix(sign): family
        for name in map(str, bare.values())
        for family, about in FAMILIES.items()
        for sign in about.signs
        if name.endswith(sign) and name.removesuffix(sign)[-1:] in ("", ".")
    }
    inner = {prefix + FAMILIES[family].inner for prefix, family in families.items() if FAMILIES[family].inner}
    prefixes = sorted(families.keys() - inner)
    for prefix in prefixes:
        deeper = tuple(each for each in prefixes if each != prefix and each.startswith(prefix))
        # Without a prefix, what has no proper name belongs to it too, and is refused by name later.
        own = {
            key: name
            for key, name in bare.items()
            if (name.startswith(prefix) and not name.startswith(deeper) if isinstance(name, str) else not prefix)
        }
        cut = prefix.removesuffix(SCALE)
        renamed = {name.removeprefix(cut) if cut else name: values[key] for key, name in own.items()}
        if len(renamed) < len(own):  # two keys of one name: as they are, they are refused
            renamed = {key: values[key] for key in own}
        strangers = tuple(_shown(key) for key, value in values.items() if key not in own and isinstance(value, Tensor))
        yield Part(renamed, place, cut, around + _names(values, set(own)), strangers, families[prefix])
    for key, value in values.items():
        if isinstance(key, str) and isinstance(value, dict) and depth < _DEEPEST and not key.startswith("optim"):
            yield from _networks(value, f"{place}.{key}" if place else key, around + _names(values, {key}), depth + 1)


def _names(values: dict[Any, Any], without: set[str]) -> tuple[str, ...]:
    return tuple(_shown(key) for key, value in values.items() if key not in without and not isinstance(value, Tensor))


def _shown(key: Any) -> str:
    text = str(key)[:60]
    return text if text.isprintable() else repr(text)
