"""The order of a stack: as listed, on the workers too, and part of the content key."""

import json
from pathlib import Path

import pytest
from support.command import harness

from harness.config import from_plain
from harness.config.compose.compose import load
from harness.config.plain import identity_of, plain
from harness.errors import ConfigError
from harness.methods.loading import load_strategies
from harness.results.schema import read_scores

L2 = "+method.l2={_target_: l2}"
AGEM = "+method.agem={_target_: agem}"


def order(overrides: list[str]) -> list[str]:
    """Names as a worker sees them, which reads JSON with sorted keys."""
    text = json.dumps(plain(load(["method=sfa", *overrides])), sort_keys=True)
    return list(load_strategies(from_plain(json.loads(text)).method))


def test_as_listed_or_as_asked() -> None:
    assert order([]) == ["sfa"]
    assert order([L2, AGEM]) == ["sfa", "l2", "agem"]
    assert order([AGEM, L2]) == ["sfa", "agem", "l2"]
    assert order([AGEM, L2, "+method.order=[agem, l2, sfa]"]) == ["agem", "l2", "sfa"]


def test_the_order_is_part_of_the_key() -> None:
    keys = [identity_of(load(["method=sfa", *x]).method, "train") for x in ([L2, AGEM], [AGEM, L2])]
    assert keys[0] != keys[1]
    assert "order" not in identity_of(load(["method=sfa"]).method, "train")


def test_a_wrong_order_is_refused() -> None:
    with pytest.raises(ConfigError, match="name each strategy once; they are: sfa, l2"):
        load(["method=sfa", L2, "+method.order=[sfa]"])


@pytest.mark.distributed
def test_a_stack_has_its_name_in_the_table(tiny_run: list[str], tmp_path: Path) -> None:
    quick = ["train.max_steps=1", "eval.limit=1", "eval.stage0=false", "eval.past=ends"]
    done = harness(*tiny_run, *quick, "-m", "method=[sfa,replay],[replay,ema]")
    assert done.returncode == 0, done.stderr
    frame = read_scores(tmp_path / "results" / "scores.csv").frame()
    assert set(frame["method"]) == {"sfa+replay", "replay+ema"}
    runs = [json.loads(path.read_text()) for path in (tmp_path / "store/runs").glob("*.json")]
    assert len(runs) == 2
