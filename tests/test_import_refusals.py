"""What is not plainly a file of weights is refused with one sentence, runs nothing and writes nothing."""

import os
import random

import pytest
import torch
from safetensors.torch import save_file
from test_import_weights import as_checkpoint, trained

from segadapt.core.errors import UserError
from segadapt.models.importing import import_weights


class Hostile:
    """Unpickled plainly, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def refused(source, words, **options) -> str:
    """Asserts one refusal of one sentence; an earlier result stays as it is."""
    target = source.with_name("target.safetensors")
    target.write_bytes(b"an earlier result")
    with pytest.raises(UserError, match=words) as caught:
        import_weights(source, target, **options)
    assert str(source) in str(caught.value) and "\n" not in str(caught.value)
    assert target.read_bytes() == b"an earlier result"
    return str(caught.value)


@pytest.mark.parametrize("new_format", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("place", ["alone", "beside the weights", "as a tensor", "in the optimiser", "as the score"])
def test_a_hostile_pickle_does_not_run(tmp_path, new_format, place):
    trap = tmp_path / "it_ran"
    content = as_checkpoint(trained().state_dict())
    if place == "alone":
        content = Hostile(trap)
    elif place == "as a tensor":
        content["state_dict"]["module.conv1.weight"] = Hostile(trap)
    elif place == "in the optimiser":
        content["optimizer"]["state"] = Hostile(trap)
    else:
        content["best_MIou" if place == "as the score" else "note"] = Hostile(trap)
    torch.save(content, tmp_path / "f.pth", _use_new_zipfile_serialization=new_format)
    refused(tmp_path / "f.pth", r"system.*foreign code")
    assert not trap.exists()
    torch.load(tmp_path / "f.pth", weights_only=False)
    assert trap.exists(), "the trap itself must work"


def test_a_numpy_score_stays_unread_even_if_its_arguments_are_strange(tmp_path):
    """What stands in for NumPy's functions takes anything and does nothing."""
    from numpy import dtype

    class Score:
        def __reduce__(self):
            return dtype, ("O", "nonsense", {"a": 1})

    content = as_checkpoint(trained().state_dict()) | {"best_MIou": Score()}
    torch.save(content, tmp_path / "f.pth")
    done = import_weights(tmp_path / "f.pth", tmp_path / "o.safetensors")
    assert done.kind == "maxsquare" and done.fraction == 1.0


@pytest.mark.parametrize("container", ["zip", "legacy", "safetensors"])
def test_every_cut_and_many_flips_are_refused_or_harmless(tmp_path, container):
    source = tmp_path / "f.pth"
    state = {name: tensor.clone() for name, tensor in trained().state_dict().items()}
    if container == "safetensors":
        save_file(state, source)
    else:
        torch.save(state, source, _use_new_zipfile_serialization=container == "zip")
    whole = source.read_bytes()
    for length in [0, 1, 8, 9, 100, len(whole) // 3, len(whole) // 2, len(whole) - 1000]:
        source.write_bytes(whole[:length])
        refused(source, "damaged|not a plain file|no tensors")
    random.seed(3)
    for _ in range(40):
        damaged = bytearray(whole)
        # The first kilobyte holds keys, names and pickle operations in every format.
        for _ in range(4):
            damaged[random.randrange(1000)] = random.randrange(256)
        source.write_bytes(damaged)
        try:
            assert import_weights(source, tmp_path / "o.safetensors").matched
        except UserError as error:
            assert str(source) in str(error) and "\n" not in str(error)


def changed(**changes):
    """A good state dict with entries replaced, or removed where None."""
    state = dict(trained().state_dict()) | {name.replace("__", "."): value for name, value in changes.items()}
    return {name: tensor for name, tensor in state.items() if tensor is not None}


STEM = trained().state_dict()["conv1.weight"]
FAULTS = [
    ({"layer3__0__conv2__weight": None}, r"1 missing: layer3\.0\.conv2\.weight"),
    ({"layer3__0__bn2__running_var": None}, "1 missing"),
    ({"layer7__weight": torch.ones(3)}, r"1 unexpected: layer7\.weight"),
    ({"fc__weight": torch.ones(10, 256)}, "1 unexpected: fc"),
    ({"layer4__0__bn3__weight": torch.ones(5)}, r"layer4\.0\.bn3\.weight is \(5,\), not \(256,\)"),
    ({"conv1__weight": STEM.int()}, "torch.int32, not floating-point"),
    ({"conv1__weight": STEM.to(torch.complex64)}, "complex64, not floating-point"),
    ({"conv1__weight": torch.full_like(STEM, torch.nan)}, "conv1.weight holds a value that is not finite"),
    ({"bn1__running_mean": torch.full((8,), torch.inf)}, "not finite"),
    ({"bn1__running_var": torch.full((8,), -1.0)}, "negative variance"),
    ({"bn1__num_batches_tracked": torch.tensor(1.5)}, "no count"),
    ({"bn1__num_batches_tracked": torch.tensor(-1)}, "no count"),
    ({"conv1__weight": torch.ones(9, 3, 7, 7)}, "no network that segadapt knows.*9 channels"),
    ({"conv1__weight": None}, "no network that segadapt knows"),
    ({"layer1__1__conv1__weight": torch.ones(8, 32, 1, 1)}, r"\(2, 1, 1, 1\) blocks"),
    ({"conv1__weight": "text"}, "is a str, not a named tensor"),
    ({"conv1__weight": STEM.to_sparse()}, "sparse"),
    ({"conv1__weight": torch.ones(1).expand(8, 2**40)}, "claims more bytes than the file has"),
    ({"layer5__conv2d_list__0__bias": torch.ones(16)}, r"layer5.conv2d_list.0.bias is \(16,\), not \(19,\)"),
]


@pytest.mark.parametrize(("changes", "words"), FAULTS, ids=[f"{next(iter(c))}-{i}" for i, (c, _) in enumerate(FAULTS)])
def test_what_no_rule_explains_is_refused(tmp_path, changes, words):
    torch.save(changed(**changes), tmp_path / "f.pth")
    refused(tmp_path / "f.pth", words, kind="maxsquare")


@pytest.mark.parametrize("content", [[1, 2], torch.ones(3), {}, {1: torch.ones(2)}, 5, {"state_dict": [1]}])
def test_other_contents_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "f.pth")
    refused(tmp_path / "f.pth", "not named tensors|no tensors|not a named tensor|state_dict")


def test_the_wrong_kind_is_refused(tmp_path):
    torch.save(trained().state_dict(), tmp_path / "f.pth")
    refused(tmp_path / "f.pth", "lacks the 'Scale.'", kind="deeplab_init")
    refused(tmp_path / "f.pth", "has a segmentation head, unlike torchvision", kind="torchvision")
    refused(tmp_path / "f.pth", "two keys mean layer6", kind="adaptsegnet_single")


def test_a_file_that_is_not_there_and_one_of_text(tmp_path):
    refused(tmp_path / "none.pth", "No such file or directory; name weights")
    (tmp_path / "page.pth").write_text("<html>Google Drive: quota exceeded</html>")
    message = refused(tmp_path / "page.pth", "damaged|not a plain file")
    assert "fetch" in message or "authors" in message


def test_a_flipped_bit_of_a_tensor_is_seen_where_there_is_a_checksum(tmp_path):
    """In torch's newer format; torch itself does not look at its archive's checksums."""
    path, state = tmp_path / "f.pth", trained().state_dict()
    torch.save(as_checkpoint(state), path)
    whole, inside = path.read_bytes(), next(iter(state.values())).numpy().tobytes()
    flipped = bytearray(whole)
    flipped[whole.index(inside) + len(inside) // 2] ^= 1
    path.write_bytes(flipped)
    refused(path, "does not fit its checksum")
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(as_checkpoint(state), path)
    finally:
        torch.serialization.set_crc32_options(True)
    assert import_weights(path, tmp_path / "o.safetensors").fraction == 1.0
