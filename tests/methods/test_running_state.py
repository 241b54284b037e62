"""Which strategies can say what a step needs of those before it."""

import pytest

from harness.config.parts import Kind, load_part, names
from harness.methods.base import Strategy, running_state
from harness.methods.ema import EMA
from harness.methods.freeze import FreezeBottom
from harness.methods.migu import MIGU
from harness.methods.view import State


def own(base: type[Strategy], *hooks: str) -> Strategy:
    """An instance of a class that overrides these hooks."""
    return type("Mine", (base,), dict.fromkeys(hooks, lambda self, *given: None))()


@pytest.mark.parametrize("name", names(Kind.strategy))
def test_those_of_the_package_can(name: str) -> None:
    kind = load_part(name, "method.mine", Kind.strategy)
    assert running_state(kind()) is not None


@pytest.mark.parametrize(
    ("base", "hooks"),
    [
        *((Strategy, (hook,)) for hook in ("start", "loss", "gradients", "weights")),
        *((Strategy, ("prepare_model", hook)) for hook in ("finish", "measure", "state")),
        (EMA, ("weights",)),
        (EMA, ("start",)),
        (MIGU, ("loss",)),
        (FreezeBottom, ("weights",)),
    ],
)
def test_a_class_that_may_keep_more_than_it_inherits_cannot(
    base: type[Strategy], hooks: tuple[str, ...]
) -> None:
    assert running_state(own(base, *hooks)) is None


@pytest.mark.parametrize(
    ("base", "hooks"),
    [
        (Strategy, ()),
        (Strategy, ("data",)),
        (Strategy, ("finish",)),
        (Strategy, ("prepare_model",)),
        (Strategy, ("data", "measure", "state")),
        (EMA, ("finish", "needs")),
        (FreezeBottom, ("data",)),
    ],
)
def test_a_class_whose_hooks_keep_nothing_within_a_stage_can(
    base: type[Strategy], hooks: tuple[str, ...]
) -> None:
    assert running_state(own(base, *hooks)) == own(base).running()


def test_one_that_says_it_itself_is_believed() -> None:
    class Mine(EMA):
        def weights(self, stage) -> None: ...

        def running(self) -> State:
            return State(values={"mine": 1})

    assert running_state(Mine()) == State(values={"mine": 1})
    assert running_state(own(Mine, "weights")) is None
