"""Strategies' parameters out of range: one line that names the key, before anything loads."""

import pytest
from conftest import refused

from harness.compose import load
from harness.errors import ConfigError
from harness.methods.loading import load_strategies


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["method=sfa", "method.p=0"], "method.sfa.p=0.0: it must be in (0, 1]"),
        (["method=sfa", "method.beta=1.5"], "method.sfa.beta=1.5: it must be in [0, 1]"),
        (["method=sfa", "method.beta=nan"], "method.sfa.beta=nan: it must be in [0, 1]"),
        (["method=sfa", "method.anchor=first"], "expected one of [previous, initial]"),
        (["method=sfa", "method.moments=half"], "expected one of [kept, reset]"),
        (["method=l2", "method.strength=-1"], "method.l2.strength=-1.0: it must be 0 or more"),
        (["method=l2", "method.form=both"], "method.l2.form: Invalid value 'both'"),
        (["method=ewc", "method.strength=inf"], "method.ewc.strength=inf: it must be 0 or more"),
        (["method=ewc", "method.num_samples=0"], "method.ewc.num_samples=0: it must be 1 or more"),
        (["method=ewc", "method.gamma=2"], "method.ewc.gamma=2.0: it must be in [0, 1]"),
        (["method=ewc", "method.fisher=exact"], "[empirical, sampled_labels, batched]"),
        (
            ["method=ewc", "method.variant=per_task", "method.gamma=0.9"],
            "method.ewc.gamma=0.9: variant=per_task has no decay",
        ),
        (
            ["method=ewc", "method.variant=per_task", "method.anchor=initial"],
            "method.ewc.anchor=initial: variant=per_task",
        ),
        (["method=agem", "method.ratio=1.1"], "method.agem.ratio=1.1: it must be in [0, 1]"),
        (["method=agem", "method.batch_size=0"], "method.agem.batch_size=0: it must be 1 or more"),
    ],
)
def test_out_of_range(overrides: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_strategies(load(overrides).method)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_the_command_line_tells_it_in_one_line(tiny_run: list[str]) -> None:
    line = refused(*tiny_run, "method=ewc", "method.gamma=-1")
    assert line == "error: method.ewc.gamma=-1.0: it must be in [0, 1]"
