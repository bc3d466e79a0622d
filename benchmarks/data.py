"""Samples per second: the released code's way, a careful user's, and the packed cache in both forms.

``python benchmarks/data.py``; about a minute. Synthetic scenes are written once, as PNGs of the data sets' sizes
whose compressibility is that of GTA5 and Cityscapes (37 % of the pixels' bytes). Every variant delivers the same
training samples, those of ``BatchSource``: image and label resized, mirrored and blurred with probability 0.5 each.

* as written: MaxSquareLoss's sequence (``datasets/cityscapes_Dataset.py``) at every sample: decode, resize, mirror,
  blur, one mask an id, float32 BGR minus mean. It mirrors after it resizes, as segadapt does, so that labels agree.
* plain vectorised: the same with a table look-up.
* loader: ``BatchSource.batch`` on a cache; uint8, the network normalises.
* read: image and label from a cache into memory, for blur on the GPU or none at all.
"""

import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from common import bar, markdown_table, measure, write_results
from PIL import Image, ImageFilter

from segadapt.core.seeding import generator
from segadapt.data.batches.augment import Augmentation
from segadapt.data.batches.loader import BatchSource
from segadapt.data.batches.sampling import sample_index
from segadapt.data.datasets import SampleFiles, dataset_module
from segadapt.data.packed.cache import PackedCache
from segadapt.data.packed.prepare import Preparation, prepare
from segadapt.data.packed.records import FORMS
from segadapt.labels import CITYSCAPES19, IGNORE_INDEX

SCENES, SAMPLES, BLURRED = 4, 6, 3
# At least so many times faster than as written.
BARS = {"raw, read": 60, "compressed, read": 10}
MEAN_BGR = np.array((104.00698793, 116.66876762, 122.67891434), np.float32)
SETS = {"gta5": ((1914, 1052), (1280, 720)), "cityscapes": ((2048, 1024), (1280, 640))}
IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33, 0, 4)

Sample = tuple[np.ndarray, np.ndarray]


def draw_scene(seed: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """image_HWC and ids_HW: boxes of one class each on sky and road, soft light, fine texture, a camera's noise."""
    random = np.random.default_rng(seed)
    ids_HW = np.full((height, width), 23, np.uint8)
    ids_HW[height // 2 :] = 7
    for _ in range(60):
        x, y = random.integers(0, width), random.integers(height // 6, height * 5 // 6)
        w, h = random.integers(8, width // 6), random.integers(8, height // 4)
        ids_HW[y : y + h, x : x + w] = random.choice(IDS)
    image_HWC = random.uniform(30, 220, (256, 3))[ids_HW]
    for cell, strength in ((256, 40), (64, 20), (8, 8)):
        coarse = random.normal(0, strength, (height // cell + 2, width // cell + 2)).astype(np.float32)
        image_HWC += np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))[..., None]
    image_HWC += random.normal(0, 1.3, image_HWC.shape)
    return image_HWC.clip(0, 255).astype(np.uint8), ids_HW


def write_set(name: str, root: Path) -> Path:
    """The scenes in the layout of the data set's authors, as their split ``train``."""
    for number in range(1, SCENES + 1):
        image_HWC, ids_HW = draw_scene(number, *SETS[name][0])
        if name == "gta5":
            image, label = root / f"images/{number:05d}.png", root / f"labels/{number:05d}.png"
        else:
            stem = f"train/town/town_{number:06d}_000019"
            image, label = root / f"leftImg8bit/{stem}_leftImg8bit.png", root / f"gtFine/{stem}_gtFine_labelIds.png"
        for path, array in ((image, image_HWC), (label, ids_HW)):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(path)
    (root / "list").mkdir()
    (root / "list/train.txt").write_text("".join(f"{number}\n" for number in range(1, SCENES + 1)))
    return root


@dataclass(frozen=True)
class Reference:
    """Samples straight from the files, in the order and with the draws of ``source``."""

    source: BatchSource
    files: list[SampleFiles]
    remap: Callable[[np.ndarray], np.ndarray]

    def sample(self, position: int) -> Sample:
        """image_CHW float32 BGR minus mean and label_HW float32 train ids."""
        cache = self.source.cache
        files = self.files[sample_index(self.source.seed, self.source.domain, position, len(cache))]
        image = Image.open(files.image).convert("RGB").resize((cache.width, cache.height), Image.Resampling.BICUBIC)
        label = Image.open(files.label).resize((cache.width, cache.height), Image.Resampling.NEAREST)
        mirror, blur, radius = draws(self.source, position)
        if mirror < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            label = label.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if blur < 0.5:
            image = image.filter(ImageFilter.GaussianBlur(radius))
        return normalised(np.asarray(image)), self.remap(np.asarray(label))


def draws(source: BatchSource, position: int) -> list[float]:
    """The numbers that decide on mirror and blur and give its radius."""
    return generator(source.seed, source.domain, "augment", position).random(3).tolist()


def normalised(image_HWC: np.ndarray) -> np.ndarray:
    """uint8 RGB to float32 BGR minus mean, channels first."""
    image_HWC = image_HWC.astype(np.float32)[:, :, ::-1]
    return (image_HWC - MEAN_BGR).transpose(2, 0, 1).copy()


def remap_by_masks(ids_HW: np.ndarray) -> np.ndarray:
    """One comparison and one masked write an id."""
    label_HW = np.full(ids_HW.shape, IGNORE_INDEX, np.float32)
    for label_id, train_id in CITYSCAPES19.train_ids().items():
        label_HW[ids_HW == label_id] = train_id
    return label_HW


def remap_by_table(ids_HW: np.ndarray) -> np.ndarray:
    """One look-up for all ids."""
    table = np.full(256, IGNORE_INDEX, np.float32)
    for label_id, train_id in CITYSCAPES19.train_ids().items():
        table[label_id] = train_id
    return table[ids_HW]


def read(source: BatchSource, position: int) -> Sample:
    """Image and label as they are in the cache, copied."""
    index = sample_index(source.seed, source.domain, position, len(source.cache))
    return source.cache.image(index).copy(), source.cache.label(index).copy()


def check(results: dict[str, list]) -> None:
    """All variants that augment deliver the same values, and both forms the same bytes."""
    expected = results["as written"]
    for name in ("plain vectorised", "compressed, loader", "raw, loader"):
        for sample, (image_CHW, label_HW) in zip(results[name], expected, strict=True):
            if not isinstance(sample, tuple):
                sample = normalised(sample.image_BHWC[0].numpy()), sample.label_BHW[0].numpy()
            if not (np.array_equal(sample[0], image_CHW) and np.array_equal(sample[1], label_HW)):
                raise SystemExit(f"{name} differs from the released code's way")
    for one, other in zip(results["compressed, read"], results["raw, read"], strict=True):
        if not (np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])):
            raise SystemExit("the compressed cache is not lossless")


def bench_set(name: str, folder: Path) -> list[dict]:
    """Rows of one data set: variant, samples a second, times the reference, bytes a sample."""
    root = write_set(name, folder / name)
    what = Preparation(name, root, "train", SETS[name][1], "cityscapes19", True, False)
    caches = {}
    for form in FORMS:
        prepare(replace(what, form=form), folder / f"{name}-{form}", folder / f"{name}-{form}-scratch", 1)
        caches[form] = PackedCache(folder / f"{name}-{form}" / "manifest.json")
    raw = BatchSource(caches["raw"], "source", 0, 1, Augmentation(0.5, 0.5), with_labels=True)
    # As many blurred as the probability says, for so few samples.
    seeds = (replace(raw, seed=seed) for seed in itertools.count())
    raw = next(each for each in seeds if sum(draws(each, p)[1] < 0.5 for p in range(SAMPLES)) == BLURRED)
    compressed = replace(raw, cache=caches["compressed"])
    files = dataset_module(name).list_samples(root, "train")
    sample_of = {
        "as written": Reference(raw, files, remap_by_masks).sample,
        "plain vectorised": Reference(raw, files, remap_by_table).sample,
        "compressed, loader": compressed.batch,
        "raw, loader": raw.batch,
        "compressed, read": lambda position: read(compressed, position),
        "raw, read": lambda position: read(raw, position),
    }
    variants = {
        each: lambda sample=sample: [sample(position) for position in range(SAMPLES)]
        for each, sample in sample_of.items()
    }
    timings = measure(variants, check=check, title=f"bench data {name}")
    on_disk = sum(path.stat().st_size for each in files for path in (each.image, each.label)) / SCENES
    sizes = {form: cache.manifest["bytes"] / SCENES for form, cache in caches.items()}
    slowest = timings["as written"].cpu_median
    return [
        {
            "variant": each,
            "samples_per_cpu_second": round(SAMPLES / timing.cpu_median, 1),
            "times_as_written": round(slowest / timing.cpu_median, 1),
            "bytes_per_sample": round(sizes.get(each.split(",")[0], on_disk)),
            **timing.as_json(),
        }
        for each, timing in timings.items()
    ]


def main() -> None:
    """Both data sets, one after the other."""
    torch.set_num_threads(1)
    results, tables = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for name, ((width, height), size) in SETS.items():
            results[name] = bench_set(name, Path(folder))
            tables.append(f"## {name}: {width}x{height} to {size[0]}x{size[1]}\n")
            header = ["variant", "samples/s (CPU)", "times as written", "MB a sample", "ms, median", "ms, min"]
            rows = [
                [row["variant"], row["samples_per_cpu_second"], row["times_as_written"], row["bytes_per_sample"] / 1e6]
                + [row[key] / SAMPLES * 1e3 for key in ("cpu_median", "cpu_min")]
                for row in results[name]
            ]
            tables.append(markdown_table(header, rows) + "\n")
    settings = {"scenes": SCENES, "samples_per_call": SAMPLES, "blurred": BLURRED}
    bars = []
    for name, rows in results.items():
        for row in rows:
            bars += bar(
                f"{name}, {row['variant']}, times as written", row["times_as_written"], BARS.get(row["variant"])
            )
    write_results("data", 1, settings, results, "\n".join(tables), bars)


if __name__ == "__main__":
    main()
