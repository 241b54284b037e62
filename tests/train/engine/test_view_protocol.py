"""The engine's view does all that strategies are promised."""

import inspect

import pytest

from harness.methods import view as protocols
from harness.train.engine import view as engine
from harness.train.states import SavedState


def promised(protocol: type) -> list[str]:
    """Methods and properties of a protocol."""
    members = vars(protocol).items()
    return [
        name
        for name, member in members
        if isinstance(member, property)
        or (inspect.isfunction(member) and (name == "__len__" or not name.startswith("_")))
    ]


@pytest.mark.parametrize("name", ["Shard", "View"])
def test_nothing_is_left_to_the_protocol(name: str) -> None:
    protocol, kind = getattr(protocols, name), getattr(engine, name)
    assert len(promised(protocol)) >= 6
    assert [member for member in promised(protocol) if member not in vars(kind)] == []


@pytest.mark.parametrize("member", promised(protocols.View))
def test_arguments_have_the_promised_names(member: str) -> None:
    ours, theirs = getattr(engine.View, member), getattr(protocols.View, member)
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
    assert inspect.getdoc(ours) == inspect.getdoc(theirs)


def test_a_saved_state_is_what_strategies_load() -> None:
    assert all(hasattr(SavedState, name) for name in promised(protocols.SavedState))
