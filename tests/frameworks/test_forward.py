"""A plain forward gives what the watched one gives, bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.frameworks

TORCH = """
import torch
from torch import nn
class Several(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.drop, self.norm = nn.Conv2d(3, 4, 3), nn.Dropout(0.5), nn.BatchNorm2d(4)
    def forward(self, x):
        y = torch.relu(self.norm(self.drop(self.conv(x)))).mean((2, 3))
        return {"logits": y, "aux": [y + 1]}
def none():
    class Model(nn.Module):
        def forward(self, x):
            return "nothing"
    return Model()
"""
PADDLE = TORCH.replace("import torch\nfrom torch import nn", "import paddle as torch\nfrom paddle import nn")
PADDLE = PADDLE.replace("torch.relu", "nn.functional.relu").replace("nn.Module", "nn.Layer").replace("2d", "2D")


@pytest.mark.parametrize("side", ["torch", "paddle", "golden"])
def test_the_first_output_of_the_watched_forward(side: str, tmp_path: Path) -> None:
    from aligndbg.frameworks.host import FRAMEWORKS

    (tmp_path / f"several_{side}.py").write_text(PADDLE if side == "paddle" else TORCH)
    framework = FRAMEWORKS[side][0]()
    try:
        framework.build(f"several_{side}.py:Several", {}, tmp_path, "cpu")
        inputs = [np.random.default_rng(0).standard_normal((5, 3, 8, 8)).astype(np.float32)]
        _, (first, second) = framework.run(inputs, lambda call, outputs: None)
        found = framework.to_numpy(framework.forward(inputs))
        assert np.array_equal(found, framework.to_numpy(first))
        assert not np.array_equal(found, framework.to_numpy(second))
        assert found.shape == (5, 4)
    finally:
        if side == "golden":
            import torch

            torch.set_default_dtype(torch.float32)


def test_a_model_without_a_tensor_is_refused(tmp_path: Path) -> None:
    from aligndbg.errors import InputError
    from aligndbg.frameworks.pytorch import TorchFramework

    (tmp_path / "none_torch.py").write_text(TORCH)
    framework = TorchFramework()
    framework.build("none_torch.py:none", {}, tmp_path, "cpu")
    with pytest.raises(InputError, match="returns str, which holds no tensor"):
        framework.forward([np.zeros((1, 3, 8, 8), np.float32)])
