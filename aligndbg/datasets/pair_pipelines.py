"""The pipelines of a pair's two sides, from `preprocess:` of its pair.yaml."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

from aligndbg.datasets.paddleclas_transforms import pipeline_from_config
from aligndbg.datasets.pipeline import Pipeline, pipeline_of
from aligndbg.datasets.torchvision_presets import pipeline_of_preset
from aligndbg.errors import InputError, named
from aligndbg.pairs.schema import PairSpec, PreprocessSpec, SidePreprocess


@dataclass(frozen=True, slots=True)
class Pipelines:
    torch: Pipeline
    paddle: Pipeline

    @property
    def are_equal(self) -> bool:
        """Whether both sides get the same tensor of every picture, by what is written."""
        return self.torch == self.paddle


def pipelines_of(pair: PairSpec) -> Pipelines:
    """What each side does with a picture. InputError where a config or the name of weights that the pair gives cannot be used."""
    return Pipelines(
        _pipeline(pair.preprocess, pair.preprocess.torch, pair, "torch"),
        _pipeline(pair.preprocess, pair.preprocess.paddle, pair, "paddle"),
    )


def _pipeline(short: PreprocessSpec, own: SidePreprocess | None, pair: PairSpec, side: str) -> Pipeline:
    if own is None:
        return pipeline_of(short)
    try:
        if own.steps is not None:
            return Pipeline(tuple(choice.step for choice in own.steps))
        if own.torchvision is not None:
            return pipeline_of_preset(own.torchvision)
        if own.paddleclas is not None:
            return pipeline_from_config(pair.root / Path(own.paddleclas).expanduser())
    except InputError as error:
        place = f"{named(pair.path)}: " if pair.path else ""
        raise InputError(f"{place}preprocess.{side}: {error.message}", error.hint) from None
    names = {field.name for field in fields(PreprocessSpec)}
    given = {field.name: value for field in fields(own) if field.name in names and (value := getattr(own, field.name)) is not None}
    return pipeline_of(replace(short, **given))
