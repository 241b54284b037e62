"""Bytes of training against numbers worked out by hand and sizes that are published."""

from dataclasses import replace

import pytest

from harness.config import Offload, Precision
from harness.config.compose.compose import load
from harness.methods.loading import load_strategies
from harness.plan.memory.model import Model, Shapes, model_of, shapes_of
from harness.plan.memory.training import Setting, setting_of, training_memory

GB = 1e9
PRESETS = (
    "llama2-7b-chat",
    "llama2-13b-chat",
    "vicuna-7b",
    "vicuna-13b",
    "baichuan2-7b-chat",
    "llama3.1-8b-instruct",
    "qwen3-0.6b",
    "qwen3-1.7b",
    "qwen3-4b",
    "qwen3-8b",
    "qwen2.5-0.5b",
    "smollm2-135m",
    "smollm2-360m",
    "smollm2-1.7b",
    "olmo2-1b",
    "olmo2-7b",
    "gemma3-1b",
    "llama3-8b-instruct",
    "llama3.2-1b-instruct",
    "llama3.2-3b-instruct",
    "qwen2-1.5b",
    "qwen2.5-1.5b",
    "qwen2.5-7b",
    "gemma2-2b",
    "gemma2-9b",
    "mistral-7b-instruct",
    "phi3.5-mini",
    "phi4-mini",
    "smollm3-3b",
)
SEVEN, THIRTEEN = (Model(w, w, None) for w in (6.74e9, 13.02e9))
SEVENTY = Shapes(
    hidden=8192,
    layers=80,
    heads=64,
    kv_heads=8,
    head_dim=128,
    intermediate=28_672,
    vocab=32_000,
    tied=False,
)
EIGHT = Setting(
    zero_stage=2,
    offload=Offload.none,
    precision=Precision.bf16,
    ranks=8,
    cuda=True,
    checkpointing=True,
    row_tokens=4096,
    answer_tokens=1024,
    copies=0.0,
    host_copies=0.0,
)


@pytest.mark.parametrize("name", PRESETS)
def test_shapes_of_presets_make_the_weights_that_are_published(name: str) -> None:
    model = load([f"model={name}"]).model
    shapes = shapes_of(replace(model, path="nobody/has-this"))
    assert shapes is not None
    assert shapes.weights() == pytest.approx(model.parameters * 1e9, rel=0.01)


@pytest.mark.parametrize(("model", "zero_2"), [(SEVEN, 27.0), (THIRTEEN, 52.1)])
def test_states_in_bf16(model: Model, zero_2: float) -> None:
    """ZeRO 2 on eight ranks: 2 bytes a weight, and 4 + 4 + 8 bytes for an eighth of them."""
    states = training_memory(model, EIGHT).states / GB
    assert states == pytest.approx(zero_2, rel=0.002)
    assert training_memory(model, replace(EIGHT, zero_stage=1)).states / GB == states
    cut = training_memory(model, replace(EIGHT, zero_stage=3))
    assert cut.states == pytest.approx(18 / 8 * model.weights)


def test_states_in_fp32() -> None:
    """ZeRO 0: 4 + 4 + 8 bytes. ZeRO 1: whole weights and gradients, 12 bytes for an eighth. ZeRO 2:
    the gradients cut. ZeRO 3: all cut, and no masters beside the weights."""
    wide = replace(EIGHT, precision=Precision.fp32)
    states = [training_memory(SEVEN, replace(wide, zero_stage=stage)).states for stage in range(4)]
    each = [states[stage] / SEVEN.weights for stage in range(4)]
    assert each == pytest.approx([16, 8 + 12 / 8, 4 + 16 / 8, 16 / 8])


def test_offloading_leaves_the_weights_and_then_none() -> None:
    half = training_memory(SEVEN, replace(EIGHT, offload=Offload.optimizer))
    assert half.states == 2 * SEVEN.weights
    assert half.offloaded >= 16 * SEVEN.weights / 8
    whole = training_memory(SEVEN, replace(EIGHT, zero_stage=3, offload=Offload.all))
    assert whole.states == 0
    assert whole.offloaded == half.offloaded + 2 * SEVEN.weights / 8


def test_zero_3_loads_in_parts() -> None:
    """Of LLaMA-2-70B in bf16 138 GB come to every device below ZeRO 3, and to one of 24 its part
    and its largest matrix (32,000 x 8,192) twice."""
    large = Model(6.9e10, 6.9e10, SEVENTY)
    assert training_memory(large, replace(EIGHT, ranks=24)).loading == pytest.approx(138e9)
    parts = training_memory(large, replace(EIGHT, ranks=24, zero_stage=3))
    assert parts.loading == pytest.approx(138e9 / 24 + 2 * 2 * 32_000 * 8_192)
    assert parts.states < 80e9


def test_gradients_in_main_memory_take_none_of_the_device() -> None:
    kept = training_memory(SEVEN, replace(EIGHT, host_copies=8))
    plain = training_memory(SEVEN, EIGHT)
    assert kept.peak == plain.peak
    assert kept.offloaded - plain.offloaded == 8 * 4 * SEVEN.weights / 8
    moved = training_memory(SEVEN, replace(EIGHT, host_copies=8, offload=Offload.optimizer))
    assert moved.offloaded > kept.offloaded


def test_pinned_copies_may_take_twice_their_size() -> None:
    kept = replace(EIGHT, host_copies=8)
    assert training_memory(SEVEN, kept).host == 2 * 8 * 4 * SEVEN.weights / 8
    on_a_cpu = training_memory(SEVEN, replace(kept, cuda=False))
    assert on_a_cpu.host == on_a_cpu.offloaded


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        (["method=o_lora"], True),
        (["method=o_lora", "task=[micro_stance]"], False),
        (["method=lora_seqft"], False),
        (["method=seqft"], False),
    ],
)
def test_stacked_adapters_begin_on_a_whole_model(words: list[str], whole: bool) -> None:
    setting = setting_of(load(["model=llama2-7b-chat", "engine=zero3", *words]), 8, cuda=True)
    assert setting.whole == whole
    loading = training_memory(SEVEN, replace(setting, precision=Precision.bf16)).loading
    assert (loading >= 2 * SEVEN.weights) == whole
    moved = replace(setting, precision=Precision.bf16, offload=Offload.all)
    adapted = replace(SEVEN, trained=1e6)
    assert (training_memory(adapted, moved).offloaded >= 2 * SEVEN.weights) == whole


def test_an_adapter_is_all_that_has_state() -> None:
    """Rank 8 on queries and values of LLaMA-2-7B: 4,194,304 weights, as peft counts them."""
    config = load(["model=llama2-7b-chat", "method=lora_seqft"])
    model = model_of(config)
    assert model is not None
    assert model.trained == 4_194_304
    memory = training_memory(model, setting_of(config, 8, cuda=True))
    assert memory.moments == 8 * model.trained / (8 if config.engine.zero_stage else 1)


def test_four_bits_under_an_adapter() -> None:
    """LLaMA-2-7B: 2 * 32,000 * 4,096 weights outside its blocks stay in bf16."""
    model = model_of(load(["model=llama2-7b-chat", "method=lora_seqft", "model.quantization=nf4"]))
    assert model is not None
    outside = 2 * 32000 * 4096
    held = training_memory(model, EIGHT).weights
    assert held == pytest.approx(2 * outside + 0.52 * (model.weights - outside))
    assert held / GB == pytest.approx(3.9, abs=0.1)


def test_activations_of_seven_billion_weights() -> None:
    """With checkpointing 32 inputs of 4,096 values and one block; without, 32 blocks. A block: two
    norms of 8 bytes a value, four values of attention, four of the feed-forward part."""
    model = model_of(load(["model=llama2-7b-chat"]))
    assert model is not None
    block = 2 * 8 * 4096 + 4 * 2 * 4096 + 4 * 2 * 11008
    twice = training_memory(model, EIGHT).activations
    kept = training_memory(model, replace(EIGHT, checkpointing=False)).activations
    assert kept == 4096 * 32 * block
    assert twice == 4096 * (32 * 2 * 4096 + block)
    assert training_memory(model, EIGHT).logits == 1024 * 32000 * 12


def test_rows_are_as_long_as_tasks_and_batches_allow() -> None:
    given = ["task=[micro_stance]", "train.batch_size=8", "train.pack_tokens=300"]
    limits = ["task.micro_stance.max_prompt_tokens=90", "task.micro_stance.max_answer_tokens=10"]

    def row(ranks: int, *more: str) -> tuple[int, int]:
        setting = setting_of(load([*given, *limits, *more]), ranks, cuda=False)
        return setting.row_tokens, setting.answer_tokens

    assert row(1) == (300, 30)  # 8 rows of 100 tokens, cut at 300
    assert row(4) == (200, 20)  # 2 rows of a rank's share
    assert row(4, "train.pack_tokens=50") == (100, 10)  # the longest row is one all the same
    assert row(4, "train.packing=never", "train.micro_batch_size=4") == (400, 40)


@pytest.mark.parametrize(
    ("method", "copies", "in_main_memory"),
    [
        ("seqft", 0, 0),
        ("sfa", 1, 0),
        ("l2", 1, 0),
        ("ema", 1, 0),
        ("ewc", 4, 0),
        ("agem", 0, 2),
        ("gem", 0, 8),
        ("replay", 0, 0),
        ("[l2,ema]", 2, 0),
    ],
)
def test_copies_of_strategies(method: str, copies: float, in_main_memory: float) -> None:
    """At the last of eight tasks."""
    config = load([f"method={method}"])
    setting = setting_of(config, 2, cuda=False)
    assert (setting.copies, setting.host_copies) == (copies, in_main_memory)
    assert all(one.needs().copies >= 0 for one in load_strategies(config.method).values())
