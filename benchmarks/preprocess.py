"""From a picture's file to the model's tensor: CPU time an image of each back-end, and how it compares with torchvision's way.

    python benchmarks/preprocess.py [-n 100] [FOLDER]

Without a folder, generated JPEGs of 500 x 375. One thread; the ways take turns on every picture, so that they share what else the
machine does. The last column is the ratio to the first way.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from aligndbg.core.preprocessing import CenterCrop, Decode, Interpolation, Normalise, ResizeShort, ToCHW
from aligndbg.datasets.decoding import opencv
from aligndbg.datasets.listing import EXTENSIONS
from aligndbg.datasets.pipeline import Pipeline, pipeline_of
from aligndbg.errors import InputError
from aligndbg.pairs.schema import PreprocessSpec


def ways() -> dict[str, Pipeline]:
    def opencv_by(interpolation: Interpolation) -> Pipeline:
        return pipeline_of(PreprocessSpec(backend="cv2", interpolation=interpolation))

    by_pillow = (ResizeShort(256, rounding="round"), CenterCrop(224, "floor", pad=False), Normalise(divide=False), ToCHW())
    return {
        "torchvision (PIL)": pipeline_of(PreprocessSpec()),
        "torchvision, bicubic": pipeline_of(PreprocessSpec(interpolation="bicubic")),
        "decode by cv2, then torchvision": Pipeline((Decode("cv2"), *pipeline_of(PreprocessSpec()).steps[1:])),
        "PaddleClas (cv2)": opencv_by("bilinear"),
        "PaddleClas, bicubic": opencv_by("bicubic"),
        "PaddleClas, area": opencv_by("area"),
        "PaddleClas, backend: pil": Pipeline((Decode(), *by_pillow)),
    }


def generated(folder: Path, count: int) -> list[Path]:
    paths = []
    for number in range(count):
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
        pixels = np.asarray(Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC), np.int16)
        noisy = np.clip(pixels + rng.integers(-12, 13, pixels.shape, np.int16), 0, 255).astype(np.uint8)
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(noisy).save(paths[-1], quality=92)
    return paths


def pictures_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS)


def measured(pipeline: Pipeline, path: Path) -> tuple[float, ...]:
    """Seconds of decoding, of all other steps up to the crop, and of the whole."""
    start = time.process_time()
    raster = pipeline.decoded(path)
    decoded = time.process_time()
    pipeline.tensor(raster, path)
    end = time.process_time()
    return decoded - start, end - decoded, end - start


def rows(paths: Sequence[Path]) -> Iterator[tuple[str, ...]]:
    pipelines = ways()
    seconds: dict[str, list[tuple[float, ...]]] = {name: [] for name in pipelines}
    for path in paths:
        for name, pipeline in pipelines.items():
            try:
                seconds[name].append(measured(pipeline, path))
            except InputError:
                continue
    first = sum(whole for _, _, whole in seconds["torchvision (PIL)"])
    for name, each in seconds.items():
        middle = [f"{median(column) * 1e3:.2f}" for column in zip(*each, strict=True)]
        yield name, *middle, f"{sum(whole for _, _, whole in each) / first:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", metavar="FOLDER")
    parser.add_argument("-n", type=int, default=100, help="pictures")
    options = parser.parse_args()
    opencv().setNumThreads(1)
    with tempfile.TemporaryDirectory() as made:
        paths = pictures_in(options.folder)[: options.n] if options.folder else generated(Path(made), options.n)
        table = Table("", "decode ms", "rest ms", "whole ms", "ratio", title=f"{len(paths)} pictures, medians")
        for row in rows(paths):
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
