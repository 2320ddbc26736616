"""The ranks of one run: who this process is, and what they add up together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
import paddle.distributed as dist

from aligndbg.errors import EnvironmentFault


@dataclass(frozen=True, slots=True)
class World:
    """Each rank has to call each of these, and in the same order."""

    rank: int = 0
    size: int = 1

    def summed(self, values: Sequence[float]) -> list[float]:
        """Each value summed over the ranks, in float64, so that counts stay exact."""
        if self.size == 1:
            return [float(value) for value in values]
        tensor = paddle.to_tensor(np.array(values, np.float64))
        dist.all_reduce(tensor)
        return [float(value) for value in tensor.numpy()]

    def sum_gradients(self, parameters: Sequence[Any]) -> None:
        """Replace each gradient by its sum over the ranks: one exchange for all, of float32.

        A rank that had no picture has no gradients and adds nothing. A parameter that no rank has a gradient of keeps none, so
        that its optimizer leaves it alone.
        """
        if self.size == 1:
            return
        known = [parameter.grad is not None for parameter in parameters]
        pieces = [
            (parameter.grad if has else paddle.zeros_like(parameter)).flatten().astype("float32")
            for parameter, has in zip(parameters, known, strict=True)
        ]
        flat = paddle.concat([*pieces, paddle.to_tensor(np.array(known, np.float32))])
        dist.all_reduce(flat)
        used = flat[flat.shape[0] - len(parameters) :].numpy() > 0
        at = 0
        for parameter, has, wanted in zip(parameters, known, used, strict=True):
            size = int(np.prod(parameter.shape))
            if wanted:
                whole = flat[at : at + size].reshape(parameter.shape).astype(parameter.dtype)
                if has:
                    parameter.grad.set_value(whole)
                else:
                    parameter.grad = whole
            at += size

    def share(self, tensors: Iterable[Any]) -> None:
        """Give every rank the values of rank 0."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)


def join_world(device: str) -> World:
    """Meet the other ranks that the launcher has started. EnvironmentFault where there is no such device."""
    if device == "gpu" and not paddle.device.cuda.device_count():
        raise EnvironmentFault("Paddle sees no GPU here", "--device cpu")
    paddle.set_device(device)
    if int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) == 1:
        return World()
    if device == "cpu":
        # A GPU build of Paddle would take NCCL, which needs GPUs.
        os.environ["PADDLE_DISTRI_BACKEND"] = "gloo"
    dist.init_parallel_env()
    return World(dist.get_rank(), dist.get_world_size())
