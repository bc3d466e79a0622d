"""Weight files: reproducible bytes, every kind of damage refused, nothing lost when a write fails."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from segadapt.core.errors import UserError
from segadapt.models import deeplabv2, initialise, load_tensors, open_model, save_model, save_tensors, weights_summary
from segadapt.models.networks.deeplab import BACKBONES, Backbone
from segadapt.models.weights import content_sha256

METADATA = {"seed": "1", "backbone": "tiny", "commit": "abc", "λ": "0.1", "spec": '{"a": [1, 2]}'}


@pytest.fixture(autouse=True)
def _tiny_backbone(monkeypatch):
    monkeypatch.setitem(BACKBONES, "tiny", Backbone(blocks=(1, 1, 1, 1), width=2))


@pytest.fixture
def model():
    return initialise(deeplabv2("tiny", 19), 1, "kaiming")


@pytest.fixture
def saved(tmp_path, model):
    path = tmp_path / "model.safetensors"
    save_model(path, model, METADATA)
    return path


def assert_refused(path, words=None):
    """Opening stops with the file's name."""
    with pytest.raises(UserError, match=words) as caught:
        open_model(path)
    assert str(path) in str(caught.value)


def test_a_model_comes_back_to_the_bit_with_its_metadata(saved, model):
    target, metadata = open_model(saved)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, target.state_dict()[name]), name
    described = METADATA | model.architecture.as_metadata()
    assert metadata == weights_summary(saved) == described | {"sha256": content_sha256(model.state_dict())}


def test_bytes_depend_on_the_arguments_only(tmp_path, model):
    """Twelve keys: the library alone writes metadata in random order, so twelve files would hardly agree."""
    metadata = {f"key{index}": str(index) for index in range(12)}
    files = []
    for attempt in range(12):
        order = list(metadata.items())
        random.Random(attempt).shuffle(order)
        save_model(tmp_path / f"{attempt}", model, dict(order))
        files.append((tmp_path / f"{attempt}").read_bytes())
    assert len(set(files)) == 1


def test_memory_layout_does_not_change_the_bytes(tmp_path, model):
    save_model(tmp_path / "plain", model, {})
    save_model(tmp_path / "channels_last", model.to(memory_format=torch.channels_last), {})
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "channels_last").read_bytes()


DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool]


@settings(max_examples=40)
@given(
    shapes=st.lists(st.lists(st.integers(0, 3), max_size=3), max_size=5),
    dtype=st.sampled_from(DTYPES),
    metadata=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)
def test_any_tensors_and_any_metadata_come_back(tmp_path_factory, shapes, dtype, metadata):
    path = tmp_path_factory.mktemp("any") / "tensors.safetensors"
    metadata = {key: value for key, value in metadata.items() if key not in ("sha256", "metadata_sha256")}
    tensors = {f"t{index}": (torch.rand(shape) * 9).to(dtype) for index, shape in enumerate(shapes)}
    sha256 = save_tensors(path, tensors, metadata)
    loaded, summary = load_tensors(path)
    assert summary == metadata | {"sha256": sha256}
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[name], tensors[name]) and loaded[name].dtype == dtype for name in tensors)


def test_content_hash_names_names_dtypes_shapes_and_values():
    base = {"a": torch.zeros(4), "b": torch.ones(2)}
    variants = [
        {"a": torch.zeros(4), "c": torch.ones(2)},
        {"a": torch.zeros(2, 2), "b": torch.ones(2)},
        {"a": torch.zeros(4, dtype=torch.int32), "b": torch.ones(2)},
        {"a": torch.zeros(4), "b": torch.tensor([1.0, 1.0000001])},
        {"a": torch.zeros(4)},
        {"b": torch.zeros(4), "a": torch.ones(2)},
    ]
    assert content_sha256(dict(reversed(base.items()))) == content_sha256(base)
    assert len({content_sha256(each) for each in [base, *variants]}) == len(variants) + 1


@pytest.mark.parametrize("tenth", range(10))
def test_truncated_files_are_refused(saved, tenth):
    content = saved.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    cut = (
        0,
        4,
        8,
        header // 2,
        header,
        header + 1,
        len(content) // 2,
        len(content) - 9,
        len(content) - 2,
        len(content) - 1,
    )
    saved.write_bytes(content[: cut[tenth]])
    assert_refused(saved, "damaged")
    with pytest.raises(UserError):
        weights_summary(saved)


def test_a_file_with_something_appended_is_refused(saved):
    saved.write_bytes(saved.read_bytes() + b"\0")
    assert_refused(saved)


def test_every_flipped_byte_is_refused(saved):
    """Forty random places of the whole file, forty in its header, and the ends of both."""
    content = saved.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    draw = random.Random(0)
    places = [draw.randrange(len(content)) for _ in range(40)] + [draw.randrange(header) for _ in range(40)]
    for place in [*places, 0, 8, header - 1, header, len(content) - 1]:
        damaged = bytearray(content)
        damaged[place] ^= draw.randrange(1, 256)
        saved.write_bytes(damaged)
        assert_refused(saved)
    saved.write_bytes(content)
    open_model(saved)


def test_blank_padding_that_is_not_spaces_is_refused(tmp_path, model):
    for length in range(8):
        path = tmp_path / f"{length}.safetensors"
        save_model(path, model, {"pad": "x" * length})
        content = bytearray(path.read_bytes())
        last = 7 + int.from_bytes(content[:8], "little")
        if content[last] == ord(" "):
            content[last] = ord("\t")
            path.write_bytes(content)
            assert_refused(path)
            return
    pytest.fail("no length of the header left room for padding")


def rewritten(path, change):
    """The file with its parsed header changed and everything else kept."""
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[end:])


@pytest.mark.parametrize("key", ["seed", "sha256", "metadata_sha256"])
def test_forged_metadata_is_refused(saved, key):
    rewritten(saved, lambda header: header["__metadata__"].update({key: "0" * 64}))
    assert_refused(saved, "hash")


@pytest.mark.parametrize("key", ["sha256", "metadata_sha256"])
def test_a_file_without_hashes_is_refused(saved, key):
    rewritten(saved, lambda header: header["__metadata__"].pop(key))
    assert_refused(saved, "import-weights")


def test_foreign_safetensors_and_other_formats_are_refused(tmp_path, model):
    save_file(model.state_dict(), tmp_path / "plain.safetensors")
    assert_refused(tmp_path / "plain.safetensors", "import-weights")
    torch.save(model.state_dict(), tmp_path / "model.pth")
    assert_refused(tmp_path / "model.pth", "import-weights")
    assert_refused(tmp_path / "nowhere.safetensors", "cannot read")
    assert_refused(tmp_path, "cannot read")


def edited(path, model, change):
    tensors = dict(model.state_dict())
    change(tensors)
    save_tensors(path, tensors, model.architecture.as_metadata())
    return path


def test_missing_foreign_misshapen_and_mistyped_tensors_are_refused(tmp_path, model):
    path, name = tmp_path / "model.safetensors", "layer2.0.conv2.weight"
    assert_refused(edited(path, model, lambda t: t.pop(name)), rf"1 tensors are missing \(first: {name}\)")
    assert_refused(edited(path, model, lambda t: t.update(fc=torch.ones(1))), r"1 are foreign \(first: fc\)")
    assert_refused(edited(path, model, lambda t: t.update({name: t[name][:1]})), name)
    assert_refused(edited(path, model, lambda t: t.update({name: t[name].double()})), "float64")
    assert_refused(edited(path, model, lambda t: t.pop("bn1.num_batches_tracked")), "num_batches_tracked")


def test_a_full_disk_leaves_the_old_file_and_no_other(saved, model, monkeypatch):
    before = saved.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match="no space left") as caught:
        save_model(saved, initialise(deeplabv2("tiny", 19), 3, "kaiming"), METADATA)
    assert str(saved) in str(caught.value)
    assert saved.read_bytes() == before
    assert [each.name for each in saved.parent.iterdir()] == [saved.name]


LIMITED = """
import resource, sys, torch
from segadapt.core.errors import UserError
from segadapt.models import save_tensors
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    save_tensors(sys.argv[1], {"t": torch.ones(100_000)}, {})
except UserError as error:
    sys.exit(f"refused: {error}")
"""


def test_a_file_size_limit_leaves_the_old_file_and_no_other(saved):
    before = saved.read_bytes()
    done = subprocess.run([sys.executable, "-c", LIMITED, saved], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and f"refused: cannot write {saved}: no space left" in done.stderr
    assert saved.read_bytes() == before
    assert [each.name for each in saved.parent.iterdir()] == [saved.name]
