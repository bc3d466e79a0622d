"""Text that can stand in a file, in its name and on a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

LONGEST_NAME = 64
"""Names become parts of file names, two of them and a word more in the longest; a file system takes 255 bytes."""
_LONGEST_PART, _LONGEST_PATH = 255, 4000


def file_path(path: str) -> str:
    """The path itself; ValueError if no file system takes it."""
    if len(path.encode()) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_PART for part in path.split("/")):
        raise ValueError(f"'{shortened(path)}' is too long for the path of a file; choose a shorter one")
    return path


def unwritable(value: Any, path: str = "") -> Iterator[str]:
    """A sentence, beginning with the key's path, for each text within that holds NUL or half a character."""
    if isinstance(value, str) and not _is_text(value):
        yield f"{path}: {shortened(value)!a} holds a character that no file can have; write it as UTF-8 text"
    elif isinstance(value, Mapping):
        for key, each in value.items():
            if isinstance(key, str) and not _is_text(key):
                yield f"{path or 'the file'}: the key {shortened(key)!a} holds a character that no file can have"
            else:
                yield from unwritable(each, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from unwritable(each, f"{path}[{index}]")


def shortened(text: str, most: int = 60) -> str:
    """The text, its middle left out if it is long."""
    return text if len(text) <= most else f"{text[: most // 2]}...{text[-most // 4 :]}"


def _is_text(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
