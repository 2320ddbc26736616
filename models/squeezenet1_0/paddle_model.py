"""The port of torch_model.py to Paddle."""

from __future__ import annotations

import paddle
from paddle import nn


class Fire(nn.Layer):
    """A 1x1 convolution that squeezes the channels, and two that expand them side by side, 1x1 and 3x3."""

    def __init__(self, inputs: int, squeeze: int, expand1x1: int, expand3x3: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2D(inputs, squeeze, kernel_size=1)
        self.squeeze_activation = nn.ReLU()
        self.expand1x1 = nn.Conv2D(squeeze, expand1x1, kernel_size=1)
        self.expand1x1_activation = nn.ReLU()
        self.expand3x3 = nn.Conv2D(squeeze, expand3x3, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU()

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        narrow = self.expand1x1_activation(self.expand1x1(x))
        wide = self.expand3x3_activation(self.expand3x3(x))
        return paddle.concat([narrow, wide], axis=1)


class SqueezeNet(nn.Layer):
    """Pictures [N, 3, H, W] to logits [N, num_classes]; fire2 to fire9 of the paper's table are `features.3` to `features.12`."""

    def __init__(self, num_classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2D(3, 96, kernel_size=7, stride=2),
            nn.ReLU(),
            nn.MaxPool2D(kernel_size=3, stride=2, ceil_mode=True),
            Fire(96, 16, 64, 64),
            Fire(128, 16, 64, 64),
            Fire(128, 32, 128, 128),
            nn.MaxPool2D(kernel_size=3, stride=2, ceil_mode=True),
            Fire(256, 32, 128, 128),
            Fire(256, 48, 192, 192),
            Fire(384, 48, 192, 192),
            Fire(384, 64, 256, 256),
            nn.MaxPool2D(kernel_size=3, stride=2, ceil_mode=True),
            Fire(512, 64, 256, 256),
        )
        # Dropout has no parameters, but it keeps its place: without it the convolution were classifier.0 and training would differ.
        self.classifier = nn.Sequential(
            nn.Dropout(p=0.5),
            nn.Conv2D(512, num_classes, kernel_size=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2D((1, 1)),
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return paddle.flatten(self.classifier(self.features(x)), 1)


def squeezenet1_0(num_classes: int = 1000) -> SqueezeNet:
    return SqueezeNet(num_classes)
