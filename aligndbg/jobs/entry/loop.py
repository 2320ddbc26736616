"""The training run of one rank: epochs of steps, evaluations and checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import paddle

from aligndbg.errors import InputError, named
from aligndbg.jobs.entry import checkpoint as checkpoints
from aligndbg.jobs.entry.arguments import Training
from aligndbg.jobs.entry.checkpoint import BEST, LATEST, Checkpoint, Progress
from aligndbg.jobs.entry.metrics_file import Metrics, say
from aligndbg.jobs.entry.model import build, hits, load_pretrained, logits_of, loss_sum, make_optimizer, set_state
from aligndbg.jobs.entry.pictures import Batch, load, seed_everything
from aligndbg.jobs.entry.world import World, join_world
from aligndbg.jobs.expectation import Expectation, write_expectation
from aligndbg.jobs.recipe import LossSpec, schedule_of
from aligndbg.jobs.recipe_pictures import Source, check_same_classes, read_source
from aligndbg.jobs.schedule import Schedule, lr_at

PROBLEMS_SHOWN = 20
STOPPED = 1


@dataclass(slots=True)
class Run:
    """What one rank works with. `progress` is as of the last epoch that is done."""

    training: Training
    world: World
    metrics: Metrics
    model: Any
    optimizer: Any
    schedule: Schedule
    pictures: Source
    eval_pictures: Source | None
    progress: Progress


@dataclass(slots=True)
class Sums:
    """Sums over pictures since the last look; `seconds` and `waited` (for pictures) over steps."""

    topk: tuple[int, ...]
    count: int = 0
    bad: int = 0
    steps: int = 0
    loss: float = 0.0
    hits: list[float] = field(default_factory=list)
    seconds: float = 0.0
    waited: float = 0.0

    def add(self, batch: Batch, loss: float, found: Sequence[float], seconds: float, waited: float) -> None:
        self.count += batch.size
        self.bad += len(batch.bad)
        self.steps += 1
        self.loss += loss
        self.hits = [one + other for one, other in zip(self.hits or [0.0] * len(self.topk), found, strict=True)]
        self.seconds += seconds
        self.waited += waited

    def over(self, world: World) -> Sums:
        """The same, summed over the ranks."""
        count, bad, loss, *found = world.summed([self.count, self.bad, self.loss, *(self.hits or [0.0] * len(self.topk))])
        return Sums(self.topk, int(count), int(bad), self.steps, loss, found, self.seconds, self.waited)

    @property
    def means(self) -> dict[str, float]:
        """Loss and accuracies in percent, NaN without a picture."""
        count = self.count or math.nan
        tops = {f"top{k}": 100 * found / count for k, found in zip(self.topk, self.hits, strict=False)}
        return {"loss": self.loss / count, **tops}

    @property
    def costs(self) -> dict[str, float]:
        steps = max(1, self.steps)
        return {
            "ips": self.count / self.seconds if self.seconds else 0.0,
            "batch_cost": self.seconds / steps,
            "reader_cost": self.waited / steps,
        }


def train(training: Training) -> int:
    """Train to the last epoch of the recipe; 0, or 1 where a loss that is not finite stopped it."""
    world = join_world(training.device)
    epochs = training.recipe.epochs
    # Names of the optimizer's tensors are counted; they are to be the same in every run.
    with paddle.utils.unique_name.guard(), Metrics(training.job, world.rank, epochs) as metrics:
        run = prepare(training, world, metrics)
        for epoch in range(run.progress.epoch, epochs):
            if not train_epoch(run, epoch):
                return STOPPED
            finish_epoch(run, epoch)
        if world.rank == 0:
            say(f"done: {epochs} epochs, checkpoints in {named(training.output)}")
    return 0


def prepare(training: Training, world: World, metrics: Metrics) -> Run:
    """Pictures, model, optimizer and what a checkpoint fills them with; everybody begins with rank 0's weights."""
    recipe = training.recipe
    seed_everything(recipe.seed, 0, 0)
    model = build(training.pair, recipe.classes)
    pictures = read_source(recipe.train, recipe.classes)
    eval_pictures = read_source(recipe.eval, recipe.classes) if recipe.eval and recipe.eval_interval else None
    if eval_pictures is not None:
        check_same_classes(pictures, eval_pictures)
    steps = pictures.steps(world.size)
    if steps < 1:
        whole = recipe.train.batch_size * world.size
        raise InputError(f"{len(pictures.pictures)} pictures make no batch of {whole}, and drop_last leaves out what is less")
    schedule = schedule_of(recipe, steps)
    optimizer = make_optimizer(recipe.optimizer, model, lr_at(schedule, 0))
    run = Run(training, world, metrics, model, optimizer, schedule, pictures, eval_pictures, Progress(0))
    if world.rank == 0:
        checkpoints.make_folder(training.output)
        introduce(run)
    if training.resume is not None:
        resume(run)
    elif recipe.pretrained:
        for note in load_pretrained(model, recipe.pretrained):
            say(f"warning: {note}")
    world.share(model.state_dict().values())
    return run


def introduce(run: Run) -> None:
    """Say what is about to run, to the log and to whoever watches the job."""
    training, recipe, ranks = run.training, run.training.recipe, run.world.size
    batch = recipe.train.batch_size
    weights = sum(parameter.size for parameter in run.model.parameters() if not parameter.stop_gradient)
    say(f"{training.pair.name}: {weights} trainable values, recipe {named(recipe.path)}, seed {recipe.seed}, on {training.device}")
    say(f"batches of {batch} pictures a rank, {batch * ranks} in all on {ranks} rank{'s' if ranks > 1 else ''}")
    for name, source in (("train", run.pictures), ("eval", run.eval_pictures)):
        if source is None:
            continue
        say(f"{name}: {len(source.pictures)} pictures, {source.steps(ranks)} steps an epoch, {source.spec.workers} workers a rank")
        for problem in source.problems[:PROBLEMS_SHOWN]:
            say(f"warning: {name}: left out: {problem.name!r}: {problem.reason}")
        if len(source.problems) > PROBLEMS_SHOWN:
            say(f"warning: {name}: {len(source.problems)} pictures are left out, {PROBLEMS_SHOWN} of them are named above")
    if training.job is not None:
        expectation = Expectation(
            recipe.epochs,
            run.schedule.steps_per_epoch,
            recipe.classes,
            training.target_top1,
            training.margin,
            run.schedule,
        )
        write_expectation(training.job, expectation)


def resume(run: Run) -> None:
    """Go on after the last epoch that a checkpoint holds. InputError where it is not of this model."""
    prefix = run.training.resume
    assert prefix is not None
    if run.world.rank == 0:
        checkpoints.finish(prefix)
    # The others read once rank 0 has put the files in place.
    run.world.summed([0.0])
    found = checkpoints.read(prefix)
    if notes := set_state(run.model, found.weights, prefix):
        raise InputError(
            f"{notes[0]}; a run goes on with the same model alone", "-o Global.pretrained_model=FILE starts anew from it"
        )
    run.optimizer.set_state_dict({name: paddle.to_tensor(array) for name, array in found.optimizer.items()})
    recipe = run.training.recipe
    wanted = Progress(
        found.progress.epoch,
        found.progress.metric,
        found.progress.best_epoch,
        recipe.seed,
        run.schedule.steps_per_epoch,
        run.world.size,
    )
    if run.world.rank == 0:
        say(f"going on after {found.progress.epoch} epochs from {named(prefix)}")
        for name in ("seed", "steps_per_epoch", "ranks"):
            before, now = getattr(found.progress, name), getattr(wanted, name)
            if before != now:
                say(f"warning: {name} was {before} and is {now}: this is not the run that it would have been")
    run.progress = wanted


def train_epoch(run: Run, epoch: int) -> bool:
    """One epoch; False where a loss that is not finite stops the run."""
    recipe, world, steps = run.training.recipe, run.world, run.schedule.steps_per_epoch
    seed_everything(recipe.seed, epoch, world.rank)
    run.model.train()
    parameters = [parameter for parameter in run.model.parameters() if not parameter.stop_gradient]
    window, whole = Sums(recipe.topk), Sums(recipe.topk)
    for step, (batch, waited, began) in enumerate(timed(load(run.pictures, epoch, recipe.seed, world.rank, world.size))):
        for words in batch.bad:
            say(f"warning: left out of the batch: {words}")
        rate = lr_at(run.schedule, epoch * steps + step)
        run.optimizer.set_lr(rate)
        loss, found = learn(run, batch, parameters)
        if run.training.stop_on_nan and not math.isfinite(loss):
            say(f"error: the loss is {loss:g} at step {step} of epoch {epoch}: stopped")
            return False
        for sums in (window, whole):
            sums.add(batch, loss, found, time.perf_counter() - began, waited)
        if step % recipe.print_every == 0 or step == steps - 1:
            run.metrics.tell("train", epoch, {**window.means, "lr": rate, **window.costs}, step, steps)
            window = Sums(recipe.topk)
    everywhere = whole.over(world)
    if world.rank == 0:
        if everywhere.bad:
            say(f"warning: {everywhere.bad} pictures of epoch {epoch} could not be decoded and were left out")
        run.metrics.tell("train", epoch, everywhere.means)
    return True


def learn(run: Run, batch: Batch, parameters: Sequence[Any]) -> tuple[float, list[float]]:
    """One step on the mean over all ranks' pictures; this rank's summed loss and hits."""
    recipe = run.training.recipe
    (count,) = run.world.summed([batch.size])
    loss, found = 0.0, [0.0] * len(recipe.topk)
    if batch.size:
        logits = logits_of(run.model, batch.images, recipe.classes)
        summed = loss_sum(logits, batch.labels, recipe.loss)
        (summed / count).backward()
        loss = float(summed)
        found = [float(each) for each in hits(logits.detach(), batch.labels, recipe.topk).numpy()]
    if count:
        run.world.sum_gradients(parameters)
        run.optimizer.step()
        run.optimizer.clear_grad(set_to_zero=False)
    return loss, found


def evaluate(run: Run, source: Source, spec: LossSpec) -> Sums:
    """Loss and hits over every picture of `source`, each counted once, with the weights and statistics that rank 0 would save."""
    recipe, world = run.training.recipe, run.world
    # Statistics of batch normalisation are each rank's own until here.
    world.share(tensor for tensor in run.model.state_dict().values() if tensor.stop_gradient)
    run.model.eval()
    sums = Sums(recipe.eval_topk)
    with paddle.no_grad():
        for batch, waited, began in timed(load(source, 0, recipe.seed, world.rank, world.size)):
            for words in batch.bad:
                say(f"warning: left out of the evaluation: {words}")
            loss, found = 0.0, [0.0] * len(recipe.eval_topk)
            if batch.size:
                logits = logits_of(run.model, batch.images, recipe.classes)
                loss = float(loss_sum(logits, batch.labels, spec))
                found = [float(each) for each in hits(logits, batch.labels, recipe.eval_topk).numpy()]
            sums.add(batch, loss, found, time.perf_counter() - began, waited)
    return sums.over(world)


def finish_epoch(run: Run, epoch: int) -> None:
    """Evaluate where it is time to, and write the checkpoints."""
    recipe, world, before = run.training.recipe, run.world, run.progress
    last = epoch + 1 == recipe.epochs
    metric, best_epoch = before.metric, before.best_epoch
    if run.eval_pictures is not None and ((epoch + 1) % recipe.eval_interval == 0 or last):
        sums = evaluate(run, run.eval_pictures, recipe.eval_loss)
        fraction = sums.hits[0] / sums.count if sums.count else 0.0
        if fraction > metric:
            metric, best_epoch = fraction, epoch + 1
        if world.rank == 0:
            run.metrics.tell("eval", epoch, sums.means)
    run.progress = Progress(epoch + 1, metric, best_epoch, recipe.seed, run.schedule.steps_per_epoch, world.size)
    if world.rank:
        return
    names = [LATEST]
    names += [BEST] if best_epoch == epoch + 1 else []
    names += [f"epoch_{epoch + 1}"] if (epoch + 1) % recipe.save_interval == 0 or last else []
    weights, optimizer = (
        {name: tensor.numpy() for name, tensor in state.items()} for state in (run.model.state_dict(), run.optimizer.state_dict())
    )
    for name in names:
        checkpoints.save(run.training.output, name, Checkpoint(weights, optimizer, run.progress))
    best = f", best top{recipe.eval_topk[0]} {100 * metric:.3f} % after {best_epoch} epochs" if best_epoch else ""
    say(f"epoch {epoch}/{recipe.epochs} saved: {', '.join(names)} in {named(run.training.output)}{best}")


def timed(batches: Iterator[Batch]) -> Iterator[tuple[Batch, float, float]]:
    """Each batch, how long it was waited for, and when the waiting began; seconds."""
    while True:
        began = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            return
        yield batch, time.perf_counter() - began, began
