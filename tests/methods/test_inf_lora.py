"""InfLoRA's directions on small matrices, and where it is refused."""

import pytest
import torch

from harness.config.compose.compose import load
from harness.errors import ConfigError
from harness.methods.inf_lora import InfLoRA
from harness.methods.loading import load_strategies
from harness.plan.checks.run import validate

NAME = "layer.lora_A.default.weight"


def diagonal(*values: float) -> torch.Tensor:
    return torch.diag(torch.tensor(values, dtype=torch.float64))


def test_the_first_directions_that_earlier_tasks_have_not() -> None:
    """H = diag(5, 4, 3, 2): without the first axis A has the second and the third."""
    mine = InfLoRA(scale=2.0)
    mine.basis = {NAME: torch.eye(4)[:, :1]}
    rows = mine._rows(NAME, diagonal(5, 4, 3, 2), 2)
    assert torch.allclose(rows.abs(), torch.tensor([[0.0, 2, 0, 0], [0, 0, 2, 0]]))


def test_directions_that_are_not_there_are_zero_rows() -> None:
    mine = InfLoRA(scale=1.0)
    mine.basis = {NAME: torch.eye(3)[:, :1]}
    rows = mine._rows(NAME, diagonal(5, 4, 0), 3)
    assert torch.allclose(rows.abs(), torch.tensor([[0.0, 1, 0], [0, 0, 0], [0, 0, 0]]))
    mine.basis = {NAME: torch.eye(3)[:, :2]}
    assert not mine._rows(NAME, diagonal(5, 4, 0), 3).any()


@pytest.mark.parametrize(("part", "kept"), [(0.5, 1), (0.64, 1), (0.65, 2), (0.999, 2), (1.0, 3)])
def test_the_space_grows_until_it_spans_the_part(part: float, kept: int) -> None:
    """Squares 64, 35.9 and 0.1 of 100."""
    inputs = diagonal(8, 35.9**0.5, 0.1**0.5)
    assert InfLoRA()._grown(NAME, inputs, part).shape == (3, kept)


def test_it_grows_no_more_where_earlier_tasks_span_enough() -> None:
    mine = InfLoRA()
    mine.basis = {NAME: torch.eye(3)[:, :1]}
    inputs = diagonal(8, 5, 11**0.5)
    assert mine._grown(NAME, inputs, 0.6).shape == (3, 1)
    grown = mine._grown(NAME, inputs, 0.7)
    assert torch.allclose(grown.abs(), torch.eye(3)[:, :2])
    # Inputs of rank 2 give no third direction, whatever is asked.
    assert mine._grown(NAME, diagonal(8, 5, 0), 1.0).shape == (3, 2)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["method.inf_lora.threshold=0"], "method.inf_lora.threshold=0.0: it must be in (0, 1]"),
        (["method.inf_lora.rows=0"], "method.inf_lora.rows=0: it must be 1 or more"),
        (["method.adapter.between_tasks=keep"], "between_tasks=merge or stack"),
    ],
)
def test_wrong_parameters(overrides: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_strategies(load(["method=inf_lora", *overrides]).method)
    assert told in str(error.value)


@pytest.mark.parametrize("name", ["inf_lora", "reg_lora", "i_lora"])
def test_an_adapter_is_needed(name: str) -> None:
    with pytest.raises(ConfigError, match="it works on an adapter"):
        validate(load(["method=seqft", f"+method.{name}={{_target_: {name}}}"]))
