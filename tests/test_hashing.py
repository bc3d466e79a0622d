"""Hashes of files: small and large ones alike, and nothing that is no file is waited for."""

import hashlib
import os

import pytest

from segadapt.core import artifacts
from segadapt.core.artifacts import sha256_file
from segadapt.core.errors import UserError


@pytest.mark.parametrize("large", [1, 2**31])
@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 3 * 4096])
def test_a_hash_is_that_of_the_bytes(tmp_path, monkeypatch, size, large, capsys):
    monkeypatch.setattr(artifacts, "LARGE_BYTES", large)
    monkeypatch.setattr(artifacts, "PIECE_BYTES", 4096)
    content = os.urandom(size)
    path = tmp_path / "file"
    path.write_bytes(content)
    assert sha256_file(path) == hashlib.sha256(content).hexdigest()
    assert ("file" in capsys.readouterr().err) == (large <= size), "only a large file is worth a bar"


def test_what_is_no_file_is_one_sentence(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    for name, reason in {
        "fifo": "no regular file",
        ".": "no regular file",
        "loop": "Too many",
        "no": "No such",
    }.items():
        with pytest.raises(UserError, match=reason):
            sha256_file(tmp_path / name)
    with pytest.raises(UserError, match="no regular file"):
        sha256_file("/dev/zero")
