"""Every strategy's running state: a stage that is broken off in its middle, written to files and
taken up by new objects ends with the weights, and hands on the state, of the unbroken one."""

import json
from pathlib import Path

import pytest
from launch import cell, run_ranks
from matrix import ADAPTERS, MATRIX

from harness.config.parts import Kind, names

FACTORS_A = [
    f"base_model.model.model.layers.{block}.self_attn.{module}.lora_A.default.weight"
    for block in (0, 1)
    for module in ("q_proj", "v_proj")
]
# Strategy -> a row of the equivalence matrix and what it keeps while it runs.
CASES = {
    "agem": ("agem", []),
    "answer_styles": ("answer_styles", []),
    "cia": ("cia", ["average", "before"]),
    "coso": ("coso", ["sketch", "span"]),
    "der": ("der", []),
    "ema": ("ema", ["average"]),
    "ewc": ("ewc", ["anchor"]),
    "fggm": ("fggm", ["masks"]),
    "fpf": ("fpf", ["before"]),
    "freeze": ("freeze", []),
    "gem": ("gem", []),
    "gere": ("gere", ["side", "thresholds"]),
    "hft": ("hft", []),
    "i_lora": ("i_lora", ["slow"]),
    "inf_lora": ("inf_lora", []),
    "kl_initial": ("kl_initial", ["ids", "initial", "log_p"]),
    "l2": ("l2", ["anchor"]),
    "llrd": ("llrd", []),
    "lwf": ("lwf", ["ids", "log_p"]),
    "migu": ("migu", []),
    "n_lora": ("n_lora", []),
    "o_lora": ("o_lora_paper", []),
    "ogd": ("ogd", []),
    "osft": ("osft_adaptive", ["origin"]),
    "refresh": ("refresh", []),
    "reg_lora": ("reg_lora", []),
    "replay": ("replay", []),
    "replay_pass": ("replay_trace", []),
    "seekr": ("seekr", ["maps"]),
    "sfa": ("sfa", ["anchor"]),
    "slow_learner": ("slca", []),
    "tree_lora": ("tree_lora", FACTORS_A),
    "zscl": ("zscl", ["average", "ids", "log_p"]),
}
pytestmark = pytest.mark.distributed


def test_no_strategy_is_missing() -> None:
    assert list(CASES) == names(Kind.strategy)


@pytest.fixture(scope="module")
def found(
    tiny_model: Path,
    tiny_data: Path,
    tiny_conf: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, list[dict]]:
    """What the two ranks measured, at ZeRO 2."""
    out = tmp_path_factory.mktemp("running")
    places = [*tiny_conf, f"model.path={tiny_model}", f"data.root={tiny_data}"]
    cells = []
    for name, (row, _) in CASES.items():
        adapter = ADAPTERS["lora"] if MATRIX[row].adapters == ("lora",) else []
        overrides = [*places, *MATRIX[row].overrides, *adapter]
        cells.append(cell(overrides, ("copy", "count"), 2, out / name))
        (out / name).mkdir()
    codes = run_ranks("running_rank.py", 2, {"cells": cells}, out)
    assert codes == [0, 0], (out / "rank0.log").read_text()[-3000:]
    return {
        name: [json.loads((out / name / f"found.{rank}.json").read_text()) for rank in (0, 1)]
        for name in CASES
    }


@pytest.mark.parametrize("name", CASES)
def test_a_broken_off_stage_goes_on_as_if_it_had_not_been(name: str, found: dict) -> None:
    for rank in found[name]:
        assert rank["steps"] >= 5
        assert rank["kept"] == CASES[name][1]
        assert rank["largest"] == 0.0
