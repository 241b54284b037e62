"""Weights and moments of a running engine in one file, whatever the ranks and the ZeRO stage: fp32
masters of what is trained, a piece of a weight at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.models.weights.headers import TensorSpec, read_specs
from harness.train.engine.gathering import gathered_pieces
from harness.train.engine.moments import MOMENTS, moment, set_step_count, step_count
from harness.train.engine.written import write_together

if TYPE_CHECKING:
    from torch import Tensor

    from harness.train.engine.core import Engine

WEIGHT = "weight"


def save_engine(path: Path, engine: "Engine") -> None:
    """Collective; the first rank writes. Raises DataError on all of them where it cannot."""
    trained, specs = _trained(engine), engine_specs(engine)

    def pieces(key: str) -> "Iterator[Tensor]":
        quantity, _, name = key.partition("/")
        held, count = _held(engine, quantity, trained[name]), specs[key].size
        return gathered_pieces(engine.layout, trained[name], held, count, engine.rank.device)

    write_together(path, specs, pieces, engine.rank)


def fits(path: Path, engine: "Engine") -> bool:
    """Has the file what the engine trains?"""
    return read_specs(path) == engine_specs(engine)


def load_engine(path: Path, engine: "Engine") -> None:
    """Give the engine the weights and moments of a file that fits; every rank reads its part."""
    from harness.models.weights.stored import flat_piece
    from harness.models.weights.tensor_file import opened, spans

    with opened(path) as file:
        for name, parameter in _trained(engine).items():
            shape = tuple(engine.shape(parameter))
            start, stop = engine.layout.span(parameter) or (0, 0)
            for quantity in (WEIGHT, *MOMENTS):
                held = _held(engine, quantity, parameter)
                for first, last in spans(start, stop):
                    piece = flat_piece(file, f"{quantity}/{name}", shape, first, last)
                    held[first - start : last - start].copy_(piece)
    engine.weights_changed()


def step_counts(engine: "Engine") -> dict[str, int]:
    """Name -> Adam's steps on it, of the weights of which this rank has a piece."""
    return {
        name: step_count(engine.adam, engine.layout, parameter)
        for name, parameter in _trained(engine).items()
        if engine.layout.span(parameter) is not None
    }


def set_step_counts(engine: "Engine", counts: dict[str, int]) -> None:
    """Set them, of all weights that are trained."""
    for name, parameter in _trained(engine).items():
        if engine.layout.span(parameter) is not None:
            set_step_count(engine.adam, engine.layout, parameter, counts[name])


def engine_specs(engine: "Engine") -> dict[str, TensorSpec]:
    """What its file has."""
    return {
        f"{quantity}/{name}": TensorSpec("F32", tuple(engine.shape(parameter)))
        for quantity in (WEIGHT, *MOMENTS)
        for name, parameter in _trained(engine).items()
    }


def _trained(engine: "Engine") -> dict[str, Any]:
    return {name: p for name, p in engine.module.named_parameters() if p.requires_grad}


def _held(engine: "Engine", quantity: str, parameter: Any) -> "Tensor | None":
    """This rank's piece, where the engine keeps it; None where it has none."""
    layout = engine.layout
    if layout.span(parameter) is None:
        return None
    if quantity == WEIGHT:
        return layout.weight(parameter).detach()
    return moment(engine.adam, layout, parameter, quantity)
