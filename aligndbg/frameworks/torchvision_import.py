"""Let torchvision be imported although its compiled ops do not fit the installed torch.

torchvision's wheel on PyPI is built for CUDA. Beside a CPU torch its library does not load, its operators stay
unregistered, and the
import ends in `operator torchvision::nms does not exist` when it registers their shape rules. Classification models
need none of them: declaring
the schemas is enough.
"""

from __future__ import annotations

import re
import sys
from typing import Any

_MISSING = re.compile(r"operator torchvision::(\w+) does not exist")
_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align": "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
    "int sampling_ratio, bool aligned) -> Tensor",
    "roi_pool": "roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width) "
    "-> (Tensor, Tensor)",
}
_declared: dict[str, Any] = {}
"""Operator -> its Library; a declaration lasts as long as that object."""


def mend(error: BaseException) -> bool:
    """Declare the operator whose absence `error` tells of, and forget the half-imported package; False for any other error."""
    missing = _MISSING.search(str(error))
    if missing is None or missing[1] in _declared:
        return False
    _declare(missing[1])
    for loaded in [module for module in sys.modules if module.partition(".")[0] == "torchvision"]:
        del sys.modules[loaded]
    return True


def _declare(operator: str) -> None:
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    library.define(_SCHEMAS.get(operator, f"{operator}(Tensor input) -> Tensor"))
    _declared[operator] = library
