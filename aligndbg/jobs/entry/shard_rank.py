"""One rank of an evaluation: its batches decoded ahead, through the model, into its shard."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pickle
import socket
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np

from aligndbg.datasets.decoders import Decoded, Decoders
from aligndbg.errors import InputError
from aligndbg.frameworks.base import Framework
from aligndbg.frameworks.host import FRAMEWORKS, failure
from aligndbg.jobs.entry.metrics_file import say
from aligndbg.jobs.processes import is_alive
from aligndbg.jobs.shard import RankError, ShardReader, ShardWriter, write_error


def main(argv: Sequence[str]) -> int:
    """0 when this rank's share is judged; what went wrong otherwise is left beside the shard."""
    path, side = Path(argv[0]), argv[1]
    request = json.loads(path.read_text(encoding="utf-8"))
    rank, ranks = place_among_ranks(os.environ)
    threading.Thread(target=_end_with, args=(path, request), daemon=True).start()
    try:
        judge(request, path.parent, side, rank, ranks)
    except Exception as error:
        traceback.print_exc()
        failed = failure(error, f"rank {rank}")
        write_error(path.parent, side, rank, RankError(failed.error, failed.message, failed.hint))
        return 1
    return 0


def judge(request: Mapping[str, Any], folder: Path, side: str, rank: int, ranks: int) -> None:
    """Every batch whose number is `rank` modulo `ranks` and that no rank has judged before."""
    one = request["sides"][side]
    done = {batch.batch for batch, _ in ShardReader(folder, side).news()} | set(request["done"])
    mine = [number for number in range(len(request["batches"])) if number % ranks == rank and number not in done]
    framework = FRAMEWORKS[side][0]()
    framework.build(one["target"], one["kwargs"], Path(one["root"]), device_of(request["device"], os.environ))
    with np.load(folder / one["state"]) as state:
        for name in state.files:
            framework.set_state(name, state[name])
    say(f"{side}: rank {rank} of {ranks}: {len(mine)} batches")
    # Written by the run that started this rank, into its own session.
    pipeline = pickle.loads(base64.b64decode(one["pipeline"]))
    sizes = (request["batch_size"], request["workers"])
    if not mine:
        return
    with (
        ShardWriter(folder, side, rank, ranks) as shard,
        Decoders((pipeline,), tuple(request["shape"]), *sizes, folder / f"decoders-{side}-{rank}.log") as decoders,
    ):
        waiting = deque(mine)
        for _ in mine:
            _judge_next(request, framework, shard, decoders, waiting)


def place_among_ranks(environ: Mapping[str, str]) -> tuple[int, int]:
    """This process's rank and how many there are, as Paddle's launcher or torchrun says; alone where there is none."""
    for rank, ranks in (("PADDLE_TRAINER_ID", "PADDLE_TRAINERS_NUM"), ("RANK", "WORLD_SIZE")):
        if rank in environ and ranks in environ:
            return int(environ[rank]), int(environ[ranks])
    return 0, 1


def device_of(device: str, environ: Mapping[str, str]) -> str:
    """The GPU that the launcher gave this rank."""
    if device == "cpu":
        return device
    chosen = environ.get("FLAGS_selected_gpus") or environ.get("LOCAL_RANK") or device.rpartition(":")[2]
    return f"gpu:{chosen.split(',')[0]}"


def _judge_next(
    request: Mapping[str, Any], framework: Framework, shard: ShardWriter, decoders: Decoders, waiting: deque[int]
) -> None:
    while waiting and decoders.room:
        number = waiting.popleft()
        decoders.submit(number, [Path(picture) for picture in request["batches"][number]])
    while (decoded := decoders.finished()) is None:
        decoders.serve(wait(decoders.connections))
    tensor, digest = _taken(decoded, decoders)
    while waiting and decoders.room:
        number = waiting.popleft()
        decoders.submit(number, [Path(picture) for picture in request["batches"][number]])
    start = time.perf_counter()
    logits = framework.to_numpy(framework.forward([tensor])) if decoded.places else None
    forward_s = time.perf_counter() - start
    if logits is not None and (logits.ndim != 2 or logits.shape[0] != len(decoded.places)):
        raise InputError(f"the model's first output is {'x'.join(map(str, logits.shape))}, expected one row a picture")
    shard.write(decoded.number, decoded.places, decoded.problems, logits, digest, decoded.seconds, forward_s)


def _taken(decoded: Decoded, decoders: Decoders) -> tuple[np.ndarray[Any, Any], str]:
    """A copy of the tensors, and their digest; their memory is given back."""
    tensor = decoded.tensors[0].copy()
    decoders.release(decoded)
    return tensor, hashlib.blake2b(tensor, digest_size=16).hexdigest()


def _end_with(path: Path, request: Mapping[str, Any]) -> None:
    """End this process once the run that started it takes its request back, or is killed: the launcher cannot tell."""
    here = request["host"] == socket.gethostname()
    while path.exists() and not (here and not is_alive(request["pid"], request["started"], request["boot"])):
        time.sleep(0.5)
    sys.stderr.write("the run that started this rank is over\n")
    os._exit(1)
