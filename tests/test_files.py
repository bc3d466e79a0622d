"""Only regular files are opened: whatever else stands where a file is expected is named in one sentence."""

import os
import socket
import stat
from pathlib import Path

import pytest

from segadapt.core.errors import UserError
from segadapt.core.files import require_regular


def make_fifo(path):
    os.mkfifo(path)


def make_folder(path):
    path.mkdir()


def make_loop(path):
    path.symlink_to(path)


def make_dangling(path):
    path.symlink_to("nowhere")


def make_device(path):
    path.symlink_to("/dev/zero")


def make_socket(path):
    os.chdir(path.parent)  # a socket's address has 108 bytes at most
    with socket.socket(socket.AF_UNIX) as each:
        each.bind(path.name)


def make_nothing(path):
    pass


STRANGERS = {
    "FIFO": make_fifo,
    "folder": make_folder,
    "symbolic links": make_loop,
    "link to nowhere": make_dangling,
    "device": make_device,
    "socket": make_socket,
    "No such file": make_nothing,
}
"""What stands where a file is expected, by a word of its refusal."""


@pytest.mark.parametrize("word", STRANGERS)
def test_what_is_no_file_is_refused_by_what_it_is(tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    STRANGERS[word](path)
    with pytest.raises(UserError, match=word) as refused:
        require_regular(path, "weights")
    assert str(path) in str(refused.value)
    assert "name weights" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_and_a_link_to_it_are_taken_unopened(tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"abc")
    link.symlink_to(file)
    file.chmod(0)
    for each in (file, link, str(link)):
        found = require_regular(each, "weights")
        assert found.st_size == 3
        assert stat.S_ISREG(found.st_mode)


def test_a_name_that_no_file_can_have_is_refused():
    with pytest.raises(UserError, match="null"):
        require_regular(Path("a\0b"), "weights")
    with pytest.raises(UserError, match=r"(?i)name too long"):
        require_regular(Path("a" * 300), "weights")
