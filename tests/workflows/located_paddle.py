"""The port, and how it can go wrong: `faults` are planted where their names say."""

import paddle
import paddle.nn.functional as F
from paddle import nn


class Net(nn.Layer):
    def __init__(self, faults: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.faults = faults
        self.stem = nn.Conv2D(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2D(8, epsilon=1e-3 if "epsilon" in faults else 1e-5)
        self.pool = nn.AvgPool2D(2, 2) if "pool" in faults else nn.MaxPool2D(2, 2)
        self.left = nn.Conv2D(8, 4, 1)
        self.right = nn.Conv2D(8, 4, 1)
        self.drop = nn.Dropout(0.5, mode="downscale_in_infer" if "dropout" in faults else "upscale_in_train")
        self.mix = nn.Conv2D(8, 8, 3, padding=1)
        self.fc = nn.Linear(8, 10)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.norm(self.stem(x))
        x = self.pool(x if "no-relu" in self.faults else F.relu_(x))
        parts = [self.left(x), self.right(x)]
        x = F.relu(paddle.concat(parts[::-1] if "concat" in self.faults else parts, 1))
        y = self.mix(self.drop(x))
        y = y + 1.001 * x if "residual" in self.faults else y + x
        return self.fc(y.mean((2, 3)))
