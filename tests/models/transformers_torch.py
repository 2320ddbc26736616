"""Attention as torch writes it: the encoder of torch.nn, and a vision transformer's own block."""

import torch
from torch import nn
from torch.nn import functional as F


class Encoders(nn.Module):
    """Patches through `nn.TransformerEncoder`, once in each of its variants."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 4, 4)
        self.encoders = nn.ModuleList(
            nn.TransformerEncoder(
                nn.TransformerEncoderLayer(32, 4, 64, 0.1, activation, batch_first=True, norm_first=norm_first),
                2,
                nn.LayerNorm(32),
                enable_nested_tensor=False,
            )
            for activation in ("relu", "gelu")
            for norm_first in (True, False)
        )
        self.head = nn.Linear(32, 10)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(picture).flatten(2).transpose(1, 2)
        for encoder in self.encoders:
            tokens = encoder(tokens)
        return self.head(tokens.mean(1))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(32, 96)
        self.proj = nn.Linear(32, 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, length, 3, 4, width // 4).permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(32, eps=1e-6)
        self.attn = Attention()
        self.norm2 = nn.LayerNorm(32, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 32))
        self.pos_embed = nn.Parameter(torch.zeros(1, 17, 32))
        self.patches = nn.Conv2d(3, 32, 4, 4)
        self.blocks = nn.Sequential(Block(), Block())
        self.norm = nn.LayerNorm(32, eps=1e-6)
        self.head = nn.Linear(32, 10)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        x = self.patches(picture).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])
