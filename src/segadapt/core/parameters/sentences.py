"""How a fault that pydantic found is told: the key's path, what is wrong, the mend."""

from collections.abc import Mapping
from typing import Any

from segadapt.core.parameters.text import shortened


def sentence(error: Mapping[str, Any]) -> str:
    """One entry of ``ValidationError.errors()`` for users; begins with the path of the key, if it has one."""
    path = ""
    for part in error["loc"]:
        name = shortened(str(part))
        path += f"[{part}]" if isinstance(part, int) else f".{name}" if path else name
    if error["type"] == "extra_forbidden":
        return f"{path}: unknown key; correct its spelling or remove it"
    if error["type"] == "missing":
        return f"{path}: is missing; add it"
    if error["type"] == "value_error":
        return f"{path}: {error['ctx']['error']}" if path else str(error["ctx"]["error"])
    given = repr(error["input"])
    return f"{path}: {error['msg']}, got {given if len(given) < 60 else given[:57] + '...'}"
