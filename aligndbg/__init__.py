"""Align a PaddlePaddle port of a torch model with its original, layer by layer."""

__version__ = "0.1.0"
