"""The same as Paddle writes it: three projections, and attention spelled out."""

import paddle
from paddle import nn
from paddle.nn import functional as F


class Encoders(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2D(3, 32, 4, 4)
        self.encoders = nn.LayerList(
            nn.TransformerEncoder(
                nn.TransformerEncoderLayer(32, 4, 64, 0.1, activation, normalize_before=norm_first), 2, nn.LayerNorm(32)
            )
            for activation in ("relu", "gelu")
            for norm_first in (True, False)
        )
        self.head = nn.Linear(32, 10)

    def forward(self, picture: paddle.Tensor) -> paddle.Tensor:
        tokens = self.patches(picture).flatten(2).transpose([0, 2, 1])
        for encoder in self.encoders:
            tokens = encoder(tokens)
        return self.head(tokens.mean(1))


class Attention(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(32, 96)
        self.proj = nn.Linear(32, 32)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        length, width = x.shape[1:]
        q, k, v = self.qkv(x).reshape([-1, length, 3, 4, width // 4]).transpose([2, 0, 3, 1, 4])
        weights = F.softmax(paddle.matmul(q * (width // 4) ** -0.5, k, transpose_y=True), axis=-1)
        return self.proj(paddle.matmul(weights, v).transpose([0, 2, 1, 3]).reshape([-1, length, width]))


class Block(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(32, epsilon=1e-6)
        self.attn = Attention()
        self.norm2 = nn.LayerNorm(32, epsilon=1e-6)
        self.mlp = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.cls_token = self.create_parameter([1, 1, 32])
        self.pos_embed = self.create_parameter([1, 17, 32])
        self.patches = nn.Conv2D(3, 32, 4, 4)
        self.blocks = nn.Sequential(Block(), Block())
        self.norm = nn.LayerNorm(32, epsilon=1e-6)
        self.head = nn.Linear(32, 10)

    def forward(self, picture: paddle.Tensor) -> paddle.Tensor:
        x = self.patches(picture).flatten(2).transpose([0, 2, 1])
        x = paddle.concat([self.cls_token.expand([x.shape[0], -1, -1]), x], axis=1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])
