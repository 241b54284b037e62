"""Packing is settled by what the model does, and a user is told where it is lost."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.command import harness
from support.varlen_reference import varlen_attn
from transformers import (
    AutoTokenizer,
    BloomConfig,
    BloomForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
)
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from harness.config import Attention, HarnessConfig, Precision
from harness.config.compose.compose import load
from harness.data.batches import pad
from harness.data.encoding import Example
from harness.errors import StageFailed
from harness.models.attention import choice, varlen
from harness.run.check.model import examples, random_llama
from harness.train import packing
from harness.train.engine.probe import packing_fault

PADDED = partial(pad, pad_token_id=1)
SMALL = {"vocab_size": 200, "hidden_size": 64}
BOTH = [(Precision.fp32, torch.float32), (Precision.bf16, torch.bfloat16)]


def opt() -> OPTForCausalLM:
    """Its positions are counted through a row."""
    return OPTForCausalLM(
        OPTConfig(
            **SMALL,
            ffn_dim=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            word_embed_proj_dim=64,
            max_position_embeddings=256,
        )
    )


WRONG = {
    "opt": opt,
    "states": lambda: MambaForCausalLM(MambaConfig(**SMALL, num_hidden_layers=2)),
    # In bf16 its rounding hides the difference to an example alone.
    "alibi": lambda: BloomForCausalLM(BloomConfig(**SMALL, n_layer=2, n_head=4)),
}


@pytest.mark.parametrize(("precision", "dtype"), BOTH)
@pytest.mark.parametrize("name", WRONG)
def test_models_that_look_over_the_border(
    name: str, precision: Precision, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    assert packing_fault(WRONG[name]().to(dtype).eval(), 200, "cpu", precision) is not None


@pytest.mark.parametrize(("precision", "dtype"), BOTH)
def test_a_model_that_does_not(precision: Precision, dtype: torch.dtype) -> None:
    assert packing_fault(random_llama().to(dtype), 512, "cpu", precision) is None


def test_logits_may_be_wider_than_the_model() -> None:
    model = random_llama().to(torch.bfloat16)

    def forward(**inputs: Any) -> Any:
        return SimpleNamespace(logits=model(**inputs).logits.float())

    assert packing_fault(forward, 512, "cpu", Precision.bf16) is None


def test_borders_by_position_make_another_model_exact() -> None:
    """OPT makes no mask of positions, and attention that reads them needs none."""
    varlen.offer(varlen_attn)
    try:
        model = opt().eval()
        model.set_attn_implementation(varlen.NAME)
        assert packing_fault(model, 200, "cpu", Precision.fp32) is None
    finally:
        ALL_ATTENTION_FUNCTIONS._global_mapping.pop(varlen.NAME)


def test_a_model_that_takes_no_positions() -> None:
    def forward(input_ids: torch.Tensor) -> None:
        raise AssertionError("not reached")

    fault = packing_fault(forward, 200, "cpu", Precision.fp32)
    assert fault is not None
    assert fault.startswith("TypeError: ")


def engine_of(model: Any) -> Any:
    """As much of one as is asked for, of one rank."""
    rank = SimpleNamespace(device="cpu", agree=bool)
    return SimpleNamespace(module=model, forward=model, rank=rank)


@pytest.fixture
def config(tiny_run: list[str]) -> HarnessConfig:
    return load([*tiny_run, "method=seqft", "train.micro_batch_size=2", "engine.precision=bf16"])


@pytest.fixture
def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Decisions are made as on a GPU whose kernels are those of a CPU."""
    found = choice.situation
    monkeypatch.setattr(varlen, "kernel", lambda: varlen_attn)
    monkeypatch.setattr(
        packing,
        "situation",
        lambda model, asked, precision, device: found(model, asked, precision, "cuda:0"),
    )
    yield
    ALL_ATTENTION_FUNCTIONS._global_mapping.pop(varlen.NAME, None)


def test_the_kernel_without_a_mask_is_taken(config: HarnessConfig, on_a_gpu: None) -> None:
    model = random_llama().to(torch.bfloat16)
    made = packing.settle(engine_of(model), config, True, examples(), PADDED)
    assert (made.packed, made.attention, made.notices) == (True, "varlen", [])
    assert model.config._attn_implementation == "varlen"


def test_where_it_does_not_work_the_next_is(
    config: HarnessConfig, on_a_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: object, **named: object) -> None:
        raise RuntimeError("no kernel image is available")

    monkeypatch.setattr(varlen, "kernel", lambda: broken)
    model = random_llama().to(torch.bfloat16)
    made = packing.settle(engine_of(model), config, True, examples(), PADDED)
    assert (made.packed, made.attention) == (True, "sdpa")
    assert model.config._attn_implementation == "sdpa"
    (notice,) = made.notices
    assert notice.line == (
        "attention by sdpa, which is slower, because of varlen: RuntimeError: no kernel image is "
        "available"
    )


def test_ranks_with_other_kernels_ask_each_other_alike(
    config: HarnessConfig, on_a_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each asks about every way, of one that it has not as well; a way that only another rank
    has is no news."""
    asked: list[list[bool]] = []
    for kernel in (varlen_attn, None):
        monkeypatch.setattr(varlen, "kernel", lambda kernel=kernel: kernel)
        asked.append([])
        engine = engine_of(random_llama().to(torch.bfloat16))
        others = iter([False, False, True, True])

        def agree(mine: bool, others: Iterator[bool] = others) -> bool:
            asked[-1].append(mine)
            return next(others) and mine

        engine.rank.agree = agree
        made = packing.settle(engine, config, True, examples(), PADDED)
        assert (made.packed, made.attention) == (True, "sdpa")
        told = [notice.line for notice in made.notices]
        assert told == (
            ["attention by sdpa, which is slower, because of varlen: another rank says so"]
            if kernel
            else []
        )
    assert asked == [[False, True, True, True], [False, False, True, True]]


def test_a_kernel_that_is_wrong_on_one_example_alone(
    config: HarnessConfig, on_a_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alike in a row and alone, and tried by itself exact."""

    def doubled(*given: Any, **named: Any) -> torch.Tensor:
        return varlen_attn(*given, **named) * (1 if named["scale"] is None else 2)

    monkeypatch.setattr(varlen, "kernel", lambda: doubled)
    model = random_llama().to(torch.bfloat16)
    made = packing.settle(engine_of(model), config, True, examples(), PADDED)
    assert made.attention == model.config._attn_implementation == "sdpa"
    (notice,) = made.notices
    assert "varlen: logits of an example alone differ from sdpa's by " in notice.line


def test_a_model_that_cannot_be_set(
    config: HarnessConfig, on_a_gpu: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = random_llama().to(torch.bfloat16)

    def refuses(way: str) -> None:
        raise ValueError(f"no {way} here")

    for setter, told in ((refuses, "ValueError: no varlen here"), (str, "the model stays at sdpa")):
        monkeypatch.setattr(model, "set_attn_implementation", setter)
        made = packing.settle(engine_of(model), config, True, examples(), PADDED)
        assert (made.packed, made.attention) == (True, "sdpa")
        assert made.notices[0].line.endswith(f"because of varlen: {told}")


def test_too_little_memory_is_no_fault_of_the_model() -> None:
    def forward(**inputs: Any) -> Any:
        raise torch.OutOfMemoryError("no room")

    with pytest.raises(torch.OutOfMemoryError):
        packing_fault(forward, 200, "cpu", Precision.fp32)


def test_nor_is_too_little_of_the_host() -> None:
    def forward(**inputs: Any) -> Any:
        return torch.empty(1 << 60)

    with pytest.raises(RuntimeError, match="can't allocate memory"):
        packing_fault(forward, 200, "cpu", Precision.fp32)


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        (Attention.sdpa, "train.packing=never says so at once"),
        (Attention.eager, "model.attention=sdpa may pack"),
    ],
)
def test_a_model_that_fails_is_left_as_it_was_asked_for(
    asked: Attention, key: str, config: HarnessConfig, on_a_gpu: None
) -> None:
    model = random_llama().to(torch.bfloat16)
    model.set_attn_implementation(asked.value)

    def looks_back(**inputs: Any) -> Any:
        logits = model(**inputs).logits
        return SimpleNamespace(logits=logits + logits[:, :1])

    engine = engine_of(model)
    engine.forward = looks_back
    config = replace(config, model=replace(config.model, attention=asked))
    made = packing.settle(engine, config, True, examples(), PADDED)
    assert (made.packed, made.attention) == (False, asked.value)
    assert model.config._attn_implementation == asked.value
    (notice,) = made.notices
    assert notice.topic == "packing"
    assert f"LlamaForCausalLM with model.attention={asked.value} does not keep" in notice.line
    assert notice.line.endswith(f"more tokens; {key}")


def test_nothing_is_changed_where_rows_are_padded(config: HarnessConfig, on_a_gpu: None) -> None:
    model = random_llama()
    made = packing.settle(engine_of(model), config, False, examples(), PADDED)
    assert (made.packed, made.attention, made.notices) == (False, "sdpa", [])
    assert model.config._attn_implementation == "sdpa"


def test_attention_that_is_asked_for_and_does_not_work(config: HarnessConfig) -> None:
    flash = replace(config, model=replace(config.model, attention=Attention.flash_attention_2))
    with pytest.raises(StageFailed, match=r"^model\.attention=flash_attention_2: .*=sdpa$"):
        packing.settle(engine_of(random_llama()), flash, True, examples(), PADDED)


def test_what_padding_costs(config: HarnessConfig) -> None:
    rows = [Example([2] * n, [3]) for n in (9, 1, 4, 4)]  # 10, 2, 5, 5 tokens
    train = replace(config.train, batch_size=4)
    # Two a row, sorted: 2 and 5 make 10 places, 5 and 10 make 20, of 22 tokens.
    assert packing.padded_share(train, rows, PADDED) == pytest.approx(30 / 22 - 1)
    assert packing.padded_share(train, [], PADDED) == 0


@pytest.mark.distributed
def test_a_run_says_once_that_rows_are_padded(
    tiny_model: Path, tiny_run: list[str], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    model = opt()
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(tmp_path / "opt")
    tokenizer.save_pretrained(tmp_path / "opt")
    words = [f"model.path={tmp_path / 'opt'}", "method=seqft", "train.max_steps=1", "eval.limit=1"]
    done = harness(*tiny_run, *words)
    assert done.returncode == 0, done.stderr
    (note,) = [line for line in done.stderr.splitlines() if line.startswith("note: ")]
    assert "OPTForCausalLM with model.attention=sdpa does not keep examples of one row" in note
    assert note.endswith("more tokens; train.packing=never says so at once")
    logs = [json.loads(p.read_text()) for p in (tmp_path / "store").glob("train/*/training.json")]
    assert len(logs) == 2
    assert all(log["notices"] and not log["packed"] for log in logs)
