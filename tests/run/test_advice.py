"""A run says once where the other number format would be faster, and changes nothing for it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.command import harness

from harness.config import EvalBackend, HarnessConfig, Precision, Quantization
from harness.config.compose.compose import load
from harness.models.block_times import WIDEST, BlockSizes, BlockTimes, block_times
from harness.plan.planner import make_plan
from harness.run import advice
from harness.store.keys import FileHashes
from harness.store.listener import Notice
from harness.store.work import EvalWork, Work

FASTER, SLOWER, ALIKE = BlockTimes(1.0, 0.4), BlockTimes(0.4, 1.0), BlockTimes(1.0, 0.8)
fp32, bf16 = Precision.fp32, Precision.bf16


def test_a_hint_names_what_goes_with_bf16() -> None:
    alone, with_zero = (advice.advice(fp32, stage, FASTER) for stage in (1, 0))
    assert alone is not None
    assert with_zero is not None
    assert not alone.warning
    assert "is 2.5 x faster in bf16 than" in alone.line
    assert "; engine.precision=bf16 would use that, as a run of its own" in alone.line
    assert "; engine.precision=bf16 engine.zero_stage=1 would use that" in with_zero.line


def test_bf16_that_is_slower_is_warned_of() -> None:
    told = advice.advice(bf16, 2, SLOWER)
    assert told is not None
    assert told.warning
    assert "is 2.5 x faster in fp32 than" in told.line


@pytest.mark.parametrize(
    ("precision", "times"), [(fp32, ALIKE), (bf16, ALIKE), (fp32, SLOWER), (bf16, FASTER)]
)
def test_nothing_is_said_of_what_is_right_or_alike(precision: Precision, times: BlockTimes) -> None:
    assert advice.advice(precision, 1, times) is None


@pytest.fixture
def config(tiny_run: list[str]) -> HarnessConfig:
    return load(tiny_run)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[BlockSizes, int]]:
    """What is measured, which comes out as faster in bf16."""
    found = []

    def measure(sizes: BlockSizes, tokens: int) -> BlockTimes:
        found.append((sizes, tokens))
        return FASTER

    monkeypatch.setattr(advice, "block_times", measure)
    monkeypatch.setattr(advice, "NARROWEST", 64)
    return found


@pytest.fixture
def told(config: HarnessConfig) -> Callable[..., Notice | None]:
    """The notice of the run, or of one that differs in a section."""
    works = make_plan(config, FileHashes()).nodes

    def notice(device: str = "cpu", works: list[Work] = works, **sections: object) -> Notice | None:
        return advice.precision_notice(replace(config, **sections), device, works)

    return notice


def test_the_block_is_the_models(
    told: Callable[..., Notice | None], config: HarnessConfig, asked: list[tuple[BlockSizes, int]]
) -> None:
    assert told() is not None
    assert asked == [(BlockSizes(64, 64, 32, 16, 192), config.train.pack_tokens)]


def test_nothing_is_measured_where_it_says_nothing(
    told: Callable[..., Notice | None], config: HarnessConfig, asked: list[tuple[BlockSizes, int]]
) -> None:
    scored = [w for w in make_plan(config, FileHashes()).nodes if isinstance(w, EvalWork)]
    others = {
        "a GPU": told("cuda"),
        "no pass of the model": told(works=[]),
        "passes elsewhere": told(works=scored, eval=replace(config.eval, backend=EvalBackend.vllm)),
        "4 bits": told(model=replace(config.model, quantization=Quantization.nf4)),
    }
    assert (others, asked) == (dict.fromkeys(others), [])
    assert told(works=scored) is not None


def test_a_narrow_model_is_not_measured(
    told: Callable[..., Notice | None],
    asked: list[tuple[BlockSizes, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(advice, "NARROWEST", 65)
    assert (told(), asked) == (None, [])


def test_a_block_is_timed_and_nothing_else_changes() -> None:
    before = torch.get_rng_state()
    times = block_times(BlockSizes(64, 64, 32, 16, 192), 32)
    assert times.fp32 > 0
    assert times.bf16 > 0
    assert torch.equal(torch.get_rng_state(), before)


def test_a_wide_block_is_timed_narrower_in_its_proportions() -> None:
    assert BlockSizes(WIDEST, 1, 1, 1, 9999).narrowed() == BlockSizes(WIDEST, 1, 1, 1, 9999)
    wide = BlockSizes(4 * WIDEST, 4 * WIDEST, WIDEST, 96, 16 * WIDEST)
    assert wide.narrowed() == BlockSizes(WIDEST, WIDEST, 96, 96, 4 * WIDEST)


@pytest.mark.distributed
def test_a_run_says_it_once_and_stores_nothing_of_it(
    tiny_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ranks are real, and take what they measure from a file."""
    times, patch = tmp_path / "times.json", tmp_path / "first"
    patch.mkdir()
    (patch / "sitecustomize.py").write_text(
        "import json\nfrom harness.models import block_times as measuring\n"
        "measuring.block_times = lambda sizes, tokens: measuring.BlockTimes("
        f"*json.load(open({str(times)!r})))\nmeasuring.NARROWEST = 0\n"
    )
    monkeypatch.syspath_prepend(patch)
    said = []
    for seed, measured in enumerate(([1.0, 0.4], [1.0, 0.8])):
        times.write_text(json.dumps(measured))
        done = harness(
            *tiny_run, "method=seqft", "train.max_steps=1", "eval.limit=1", f"seed={seed}"
        )
        assert done.returncode == 0, done.stderr
        said.append([line for line in done.stderr.splitlines() if "engine.precision" in line])
    (hint,), nothing = said
    assert hint.startswith("note: on this CPU a block of this model is 2.5 x faster in bf16")
    assert nothing == []
    logs = [json.loads(p.read_text()) for p in (tmp_path / "store").glob("train/*/training.json")]
    assert [log["notices"] for log in logs] == [[]] * 4
