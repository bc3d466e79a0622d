"""The cache in its two forms: the same pixels out of either, sizes told beforehand, kills survived in both."""

import json
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from tiny import tiny_parameters, write_gta5
from toy_sets import packed, preparation

from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.data.batches.augment import Augmentation
from segadapt.data.batches.loader import BatchSource, batches
from segadapt.data.packed import prepare
from segadapt.data.packed.cache import PackedCache
from segadapt.data.packed.prepare import Preparation
from segadapt.data.packed.records import FORMS, encode_record
from segadapt.data.packed.space import SAMPLED, estimate, estimate_forms, in_words
from segadapt.plan import make_plan

COUNT = 6
SIDES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A toy GTA5, not to be written to."""
    root = tmp_path_factory.mktemp("sets") / "gta5"
    write_gta5(root, COUNT)
    return root


@pytest.fixture(scope="module")
def caches(root, tmp_path_factory) -> dict[str, PackedCache]:
    """The toy GTA5 with native labels, in both forms."""
    folder = tmp_path_factory.mktemp("forms")
    return {form: packed(preparation(root, form=form), folder / form) for form in FORMS}


def cache_bytes(folder: Path) -> list[bytes]:
    return [(folder / "cache" / name).read_bytes() for name in ("pack.bin", "manifest.json")]


# --- encoding -------------------------------------------------------------------------------------


@given(st.data(), st.sampled_from(sorted(FORMS)))
def test_decoding_undoes_encoding_for_any_bytes(data, name):
    height, width = data.draw(SIDES)
    image_HWC = data.draw(arrays(np.uint8, (height, width, 3)))
    label_HW = data.draw(arrays(np.uint8, (height, width)))
    form, before = FORMS[name], image_HWC.copy()
    stored = [np.frombuffer(part, np.uint8) for part in encode_record(name, image_HWC, label_HW, None)]
    assert np.array_equal(image_HWC, before)
    decoded = [form.decode_image(stored[0], height, width), form.decode_label(stored[1], height, width)]
    for array, expected in zip(decoded, (image_HWC, label_HW), strict=True):
        assert array.dtype == np.uint8 and np.array_equal(array, expected)
        assert not array.flags.writeable and array.flags.c_contiguous


@given(arrays(np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 5), st.just(3))))
def test_the_compressed_form_by_a_decoder_of_single_pixels(image_HWC):
    height, width, _ = image_HWC.shape
    content = zstandard.decompress(FORMS["compressed"].encode_image(image_HWC))
    above = [[0] * width for _ in range(3)]
    for y in range(height):
        for colour in range(3):
            for x in range(width):
                above[colour][x] = (above[colour][x] + content[(y * 3 + colour) * width + x]) % 256
        for x in range(width):
            red, green, blue = (above[colour][x] for colour in range(3))
            assert [(red + green) % 256, green, (blue + green) % 256] == image_HWC[y, x].tolist()


def test_views_of_mirrored_and_cropped_arrays_are_encoded_as_they_look():
    image_HWC = np.random.default_rng(0).integers(0, 256, (8, 10, 3), np.uint8)[1:, ::-1]
    label_HW = image_HWC[..., 0]
    for name, form in FORMS.items():
        parts = [np.frombuffer(part, np.uint8) for part in encode_record(name, image_HWC, label_HW, label_HW)]
        assert np.array_equal(form.decode_image(parts[0], 7, 10), image_HWC)
        assert np.array_equal(form.decode_label(parts[1], 7, 10), label_HW)
        assert np.array_equal(FORMS["compressed"].decode_label(parts[2], 7, 10), label_HW)


# --- the cache ------------------------------------------------------------------------------------


def test_both_forms_hold_what_the_files_hold(caches, root):
    raw, compressed = caches["raw"], caches["compressed"]
    assert len(raw) == len(compressed) == COUNT
    for index in range(COUNT):
        assert raw.name(index) == compressed.name(index)
        for read in ("image", "label", "native_label"):
            assert np.array_equal(getattr(raw, read)(index), getattr(compressed, read)(index))
        image = Image.open(root / "images" / f"{index + 1:05d}.png").convert("RGB")
        expected = np.asarray(image.resize((raw.width, raw.height), Image.Resampling.BICUBIC))
        assert np.array_equal(compressed.image(index), expected)
    assert {form: cache.manifest["form"] for form, cache in caches.items()} == {form: form for form in FORMS}
    assert compressed.manifest["bytes"] < raw.manifest["bytes"]
    assert compressed.manifest["label_histogram"] == raw.manifest["label_histogram"]


@pytest.mark.parametrize("threads", [0, 3])
def test_both_forms_give_the_same_batches(caches, threads):
    drawn = {}
    for form, cache in caches.items():
        source = BatchSource(cache, "source", 3, 2, Augmentation(0.5, 0.5, 0.4, 1.5), with_labels=True)
        drawn[form] = [(batch.image_BHWC.numpy(), batch.label_BHW.numpy()) for batch in batches(source, 0, 12, threads)]
    for one, other in zip(drawn["raw"], drawn["compressed"], strict=True):
        assert np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])


def test_threads_may_read_one_compressed_cache_at_once(caches):
    expected = [caches["raw"].image(index) for index in range(COUNT)]
    cache = PackedCache(caches["compressed"].folder / "manifest.json")
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(cache.image, list(range(COUNT)) * 20))
    assert all(np.array_equal(image, expected[index % COUNT]) for index, image in enumerate(images))


def test_a_flipped_byte_of_a_compressed_record_is_refused_when_it_is_read(caches, tmp_path):
    folder = Path(shutil.copytree(caches["compressed"].folder, tmp_path / "cache"))
    whole = (folder / "pack.bin").read_bytes()
    record = caches["compressed"].records[1]
    for offset in np.linspace(record["offset"], record["offset"] + record["bytes"] - 1, 25).astype(int).tolist():
        damaged = bytearray(whole)
        damaged[offset] ^= 4
        (folder / "pack.bin").write_bytes(damaged)
        cache = PackedCache(folder / "manifest.json")
        for read in (cache.image, cache.label, cache.native_label):
            with pytest.raises(UserError, match=r"checksum at record 1 .*delete"):
                read(1)
        assert np.array_equal(cache.image(0), caches["raw"].image(0))


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_manifest_with_other_lengths_than_the_pack_is_refused(caches, tmp_path, form):
    folder = Path(shutil.copytree(caches[form].folder, tmp_path / "cache"))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["records"][2]["lengths"][0] -= 7
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="do not agree at record 2"):
        PackedCache(folder / "manifest.json").image(2)


@pytest.mark.parametrize("change", [{"form": "jpeg"}, {"form": None}])
def test_a_manifest_of_an_unknown_form_is_refused(caches, tmp_path, change):
    folder = Path(shutil.copytree(caches["raw"].folder, tmp_path / "cache"))
    manifest = json.loads((folder / "manifest.json").read_text()) | change
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"manifest\.json"):
        PackedCache(folder / "manifest.json")


# --- preparing ------------------------------------------------------------------------------------


def stopped_after(count: int, what: Preparation, folder: Path) -> Path:
    """The scratch folder of a preparation that stopped dead after ``count`` records."""
    pack_one, done = prepare._pack_one, []

    def stopping(*arguments, **named):
        if len(done) == count:
            raise KeyboardInterrupt
        done.append(1)
        return pack_one(*arguments, **named)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(prepare, "_pack_one", stopping)
        prepare.prepare(what, folder / "cache", folder / "scratch", 1)
    return folder / "scratch"


@pytest.mark.parametrize("form", sorted(FORMS))
def test_processes_and_kills_change_no_byte(tmp_path, form):
    write_gta5(tmp_path / "gta5", 36)
    what = preparation(tmp_path / "gta5", form=form)
    packed(what, tmp_path / "whole", processes=2)
    expected = cache_bytes(tmp_path / "whole")
    records = json.loads(expected[1])["records"]
    stopped = stopped_after(35, what, tmp_path / "stopped")
    lines = (stopped / "journal.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) == 35
    for kept, torn in ((0, 40), (1, 0), (20, 11), (35, 0)):
        # What a kill leaves: whole journal lines and then a part of one; of the pack as much and then a part.
        scratch = Path(shutil.copytree(stopped, tmp_path / f"{kept}" / "scratch"))
        (scratch / "journal.jsonl").write_text("".join(lines[:kept]) + "".join(lines[kept : kept + 1])[:torn])
        os.truncate(scratch / "pack.bin", sum(record["bytes"] for record in records[:kept]) + torn)
        packed(what, scratch.parent, processes=1)
        assert cache_bytes(scratch.parent) == expected


def line_of(capsys) -> str:
    return next(line for line in capsys.readouterr().err.splitlines() if line.startswith("prepare "))


def test_one_line_tells_both_sizes_before_the_work(caches, root, tmp_path, capsys):
    for form, cache in caches.items():
        packed(preparation(root, form=form), tmp_path / form)
        line = line_of(capsys)
        assert f"{COUNT} images at {cache.width}x{cache.height}" in line and f"writing {form};" in line
        # No more than are sampled: the estimate is what is then written.
        raw, compressed = (in_words(caches[each].manifest["bytes"]) for each in ("raw", "compressed"))
        assert f"{raw} raw or about {compressed} compressed" in line
        assert re.search(r"[0-9.]+ \w+ free, [0-9.]+ \w+ afterwards", line)


def with_free(monkeypatch, free: int) -> None:
    usage = shutil.disk_usage("/")._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)


def test_a_form_that_does_not_fit_is_refused_and_the_other_named_if_it_does(caches, root, tmp_path, monkeypatch):
    small, large = (caches[form].manifest["bytes"] for form in ("compressed", "raw"))
    what = {form: preparation(root, form=form) for form in FORMS}
    with_free(monkeypatch, small)
    with pytest.raises(UserError, match=r"form 'raw'.* set form: compressed for this cache"):
        packed(what["raw"], tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert len(packed(what["compressed"], tmp_path / "exactly")) == COUNT
    with_free(monkeypatch, small - 1)
    for each in what.values():
        with pytest.raises(UserError, match=r"free some space, choose a smaller size in the preset$"):
            packed(each, tmp_path)
    with_free(monkeypatch, large)
    assert len(packed(what["raw"], tmp_path / "large")) == COUNT


@pytest.mark.parametrize("form", sorted(FORMS))
def test_what_a_killed_preparation_has_written_needs_no_room_again(caches, root, tmp_path, monkeypatch, capsys, form):
    manifest, what = caches[form].manifest, preparation(root, form=form)
    stopped_after(4, what, tmp_path)
    capsys.readouterr()
    with_free(monkeypatch, manifest["bytes"] * 2 // 6 + 6)
    cache = packed(what, tmp_path)
    assert "4 of 6 are there already" in line_of(capsys)
    assert cache.manifest == manifest


@settings(max_examples=50)
@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=30), st.integers(0, 10**5))
def test_an_estimate_is_the_mean_and_three_standard_errors(lengths, more):
    count = len(lengths) + more
    found = estimate(lengths, count)
    assert found.expected == pytest.approx(count * np.mean(lengths), abs=1)
    error = np.std(lengths) / np.sqrt(len(lengths)) if more else 0.0
    assert found.upper == pytest.approx(count * (np.mean(lengths) + 3 * error), rel=1e-9, abs=2)


@given(st.integers(1, 500), st.sets(st.integers(0, 499)))
def test_the_sample_is_spread_over_the_set_and_passes_over_what_cannot_be_read(count, broken):
    asked = []

    def lengths_of(item: int) -> dict[str, int]:
        asked.append(item)
        if item in broken:
            raise UserError("damaged")
        return {"raw": 30, "compressed": 10}

    found = estimate_forms(range(count), lengths_of)
    assert len(asked) == len(set(asked)) == min(count, SAMPLED)
    assert max(np.diff([-1, *asked, count])) <= count / SAMPLED + 2
    any_read = bool(set(asked) - broken)
    assert (found["raw"].expected, found["compressed"].upper) == ((30 * count, 10 * count) if any_read else (0, 0))


# --- parameters -----------------------------------------------------------------------------------


def test_the_form_is_a_parameter_of_the_preparation_and_of_nothing_else():
    plans = {}
    for form in FORMS:
        parameters = tiny_parameters()
        for entry in parameters["presets"]["tiny"]["caches"].values():
            entry["form"] = form
        plans[form] = make_plan(parameters_from(parameters, "params.yaml"))
    for one, other in zip(plans["raw"].jobs, plans["compressed"].jobs, strict=True):
        assert (one.config != other.config) == (one.stage == "prepare"), one.name
    with pytest.raises(UserError, match="form"):
        entry["form"] = "jpeg"
        parameters_from(parameters, "params.yaml")
