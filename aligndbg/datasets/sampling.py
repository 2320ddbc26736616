"""Where a random crop lies, drawn as torchvision or as PaddleClas draws it.

The draws come from numpy's generator: the distribution is theirs, the numbers are not. PaddleClas's is that of RandCropImage
(ppcls/data/preprocess/ops/operators.py), torchvision's that of RandomResizedCrop.get_params.
"""

from __future__ import annotations

import math

import numpy as np

from aligndbg.core.preprocessing import RandomResizedCrop

_TRIES = 10


def random_box(step: RandomResizedCrop, width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Left, top, right and bottom, in pixels, of the part of a picture of width x height."""
    return _as_torchvision(step, width, height, rng) if step.sampling == "torchvision" else _as_paddleclas(step, width, height, rng)


def _as_torchvision(step: RandomResizedCrop, width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    low, high = step.ratio
    for _ in range(_TRIES):
        area = width * height * rng.uniform(*step.scale)
        ratio = math.exp(rng.uniform(math.log(low), math.log(high)))
        across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < across <= width and 0 < down <= height:
            top, left = int(rng.integers(0, height - down + 1)), int(rng.integers(0, width - across + 1))
            return left, top, left + across, top + down
    across, down = width, height
    if width / height < low:
        down = max(1, round(width / low))
    elif width / height > high:
        across = max(1, round(height * high))
    left, top = (width - across) // 2, (height - down) // 2
    return left, top, left + across, top + down


def _as_paddleclas(step: RandomResizedCrop, width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    if step.sampling == "paddleclas-log":
        ratio = math.exp(rng.uniform(math.log(step.ratio[0]), math.log(step.ratio[1])))
    else:
        ratio = rng.uniform(*step.ratio)
    bound = min(width / height / ratio, height / width * ratio)
    area = width * height * rng.uniform(min(step.scale[0], bound), min(step.scale[1], bound))
    # PaddleClas fails on a part without pixels and takes another picture; the smallest part is one pixel here.
    across, down = max(1, int(math.sqrt(area * ratio))), max(1, int(math.sqrt(area / ratio)))
    left, top = int(rng.integers(0, width - across + 1)), int(rng.integers(0, height - down + 1))
    return left, top, left + across, top + down
