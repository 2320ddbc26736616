"""Shards of two sides put together, and the commands that make them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aligndbg.core.preprocessing import CenterCrop, Decode, ToCHW
from aligndbg.datasets.listing import Picture
from aligndbg.datasets.pipeline import Pipeline
from aligndbg.errors import EnvironmentFault
from aligndbg.jobs.shard import ShardBatch
from aligndbg.pairs.schema import ModelSpec, PairSpec
from aligndbg.workflows.evaluate_launched import LaunchedForwards
from aligndbg.workflows.evaluate_pictures import Batch, EvalRequest, Selection
from aligndbg.workflows.stop import Stop

PAIR = PairSpec("tiny", ModelSpec("m:f", python="../torch-env/bin/python"), ModelSpec("m:f"), root=Path("/pairs/tiny"))
ONE, OTHER = (Pipeline((Decode(), CenterCrop(size), ToCHW())) for size in (4, 5))
BATCH = Batch(0, 0, tuple(Picture(Path(f"/p/{k}"), k, str(k)) for k in range(4)))
SHARD = ShardBatch(0, 0, (0, 2, 3), {1: "no picture"}, 5, "digest", 0.5, 0.25)
LOGITS = np.arange(15, dtype=np.float32).reshape(3, 5)


def launched(request: EvalRequest, *pipelines: Pipeline) -> LaunchedForwards:
    selection = Selection(BATCH.pictures, (), 4, (3, 4, 4), pipelines or (ONE,), {"torch": 0, "paddle": len(pipelines) - 1})
    return LaunchedForwards(PAIR, request, selection, Path("/s/shards"), 2, lambda event: None, Stop())


def test_both_sides_of_a_batch() -> None:
    flight = launched(EvalRequest())._flight(BATCH, {"torch": (SHARD, LOGITS), "paddle": (SHARD, LOGITS + 1)})
    assert (flight.places, flight.problems) == ((0, 2, 3), {1: "no picture"})
    assert np.array_equal(flight.outputs["paddle"], LOGITS + 1)
    assert flight.seconds == {"torch": 0.25, "paddle": 0.25}


def test_tensors_that_are_not_the_same_are_refused() -> None:
    other = replace(SHARD, digest="another")
    with pytest.raises(EnvironmentFault, match="decode the pictures of batch 0 differently"):
        launched(EvalRequest())._flight(BATCH, {"torch": (SHARD, LOGITS), "paddle": (other, LOGITS)})


def test_with_their_own_preprocessing_what_is_bad_for_one_is_left_out_for_both() -> None:
    other = replace(SHARD, digest="another", places=(1, 2, 3), problems={0: "too small"})
    flight = launched(EvalRequest(), ONE, OTHER)._flight(BATCH, {"torch": (SHARD, LOGITS), "paddle": (other, LOGITS)})
    assert flight.places == (2, 3)
    assert flight.problems == {0: "too small", 1: "no picture"}
    assert np.array_equal(flight.outputs["torch"], LOGITS[1:])
    assert np.array_equal(flight.outputs["paddle"], LOGITS[1:])


def test_a_batch_without_a_good_picture() -> None:
    empty = replace(SHARD, places=(), problems=dict.fromkeys(range(4), "no picture"))
    flight = launched(EvalRequest())._flight(BATCH, {"torch": (empty, None), "paddle": (empty, None)})
    assert (flight.places, flight.outputs) == ((), {})


def test_each_side_has_its_launcher_in_its_own_interpreter() -> None:
    run = launched(EvalRequest(ranks=2, nodes=3, master="here:5000"))
    torch, paddle = run.command("torch"), run.command("paddle")
    assert torch[0] == "/pairs/tiny/../torch-env/bin/python"
    assert "torch.distributed.run" in torch and "paddle.distributed.launch" in paddle
    # They cannot meet at one port.
    assert "here:5001" in torch and "here:5000" in paddle
    assert torch[-2:] == ("/s/shards/request.json", "torch")
    assert paddle[paddle.index("--nproc_per_node") + 1] == "2" and paddle[paddle.index("--nnodes") + 1] == "3"
