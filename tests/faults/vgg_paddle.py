"""The port of vgg_torch.py to Paddle."""

from __future__ import annotations

import paddle
from paddle import nn

WIDTHS = (16, 0, 32, 0, 64, 64, 0, 64, 64, 0)
"""Channels of the convolutions; 0 is a pooling."""


class VGG(nn.Layer):
    """Pictures [N, 3, 64, 64] to logits [N, 10]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Layer] = []
        inputs = 3
        for width in WIDTHS:
            if width:
                layers += [nn.Conv2D(inputs, width, 3, padding=1), nn.BatchNorm2D(width), nn.ReLU()]
                inputs = width
            else:
                layers.append(nn.MaxPool2D(2, 2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2D((2, 2))
        self.classifier = nn.Sequential(
            nn.Linear(4 * inputs, 128), nn.ReLU(), nn.Dropout(), nn.Linear(128, 128), nn.ReLU(), nn.Dropout(), nn.Linear(128, 10)
        )

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.classifier(paddle.flatten(self.avgpool(self.features(x)), 1))


def vgg() -> VGG:
    return VGG()
