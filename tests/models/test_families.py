"""What the harness knows of a model by its modules' names and behaviour, on every family in use."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.families import FAMILIES, model_folder, random_model
from transformers import AutoTokenizer

from harness.config import AdapterConfig, Precision
from harness.config.compose.compose import load
from harness.data.batches import pack
from harness.data.encoding import Example
from harness.errors import ConfigError, StageFailed
from harness.generation.backend import Sampling
from harness.generation.batches import Limits
from harness.generation.hf import HuggingFaceBackend
from harness.methods.migu import MIGU
from harness.models.adapters.lora import factor_of, new_adapter
from harness.models.weights.blocks import find_blocks, is_embedding, is_head
from harness.plan.checks.run import validate
from harness.train.engine.probe import packing_fault

SPREAD = 5.0  # answers of one token for everything would hide what a window or a cap does
HEADS = {"lm_head", "embed_out"}
EXPERTS = ("mixtral", "olmoe")


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    return AutoTokenizer.from_pretrained(tiny_model)


def rows(vocabulary: int) -> list[Example]:
    """Three examples of other lengths and tokens, longer than every window."""
    return [
        Example(
            [(7 * i + k) % vocabulary for i in range(14 + k)],
            [(5 * i + k) % vocabulary for i in range(9)],
        )
        for k in (1, 5, 9)
    ]


def answer_logits(model: Any, row: Example) -> torch.Tensor:
    """[answer tokens, vocabulary], of the example by itself without a mask."""
    ids = torch.tensor([[*row.prompt_ids, *row.answer_ids]])
    with torch.no_grad():
        return model(input_ids=ids).logits[0, len(row.prompt_ids) - 1 : -1]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_packed_row_is_its_examples_alone(name: str, tokenizer: Any) -> None:
    model = random_model(name, tokenizer, SPREAD)
    assert packing_fault(model, len(tokenizer), "cpu", Precision.fp32) is None
    batch = pack(rows(len(tokenizer)))
    with torch.no_grad():
        together = model(**batch.inputs).logits[batch.answer_rows, batch.answer_columns]
    alone = torch.cat([answer_logits(model, row) for row in rows(len(tokenizer))])
    assert float((together - alone).abs().max()) <= 1e-5 * float(alone.abs().max())


# Family -> what makes it another model than a plain one, and a value without it.
TRAPS = {
    "gemma2": {"attn_logit_softcapping": None, "sliding_window": 4096},
    "gemma3": {"sliding_window": 4096},
    "mistral": {"sliding_window": None},
    "smollm3": {"no_rope_layers": [1, 1]},
}


@pytest.mark.parametrize("name", TRAPS)
def test_what_is_particular_is_met_by_rows_of_this_length(name: str, tokenizer: Any) -> None:
    model = random_model(name, tokenizer, SPREAD)
    config = type(model.config)(**model.config.to_dict() | TRAPS[name])
    plain = type(model)._from_config(config, attn_implementation=FAMILIES[name].attention)
    plain.load_state_dict(model.state_dict())
    row = rows(len(tokenizer))[0]
    usual, other = answer_logits(model, row), answer_logits(plain.eval(), row)
    assert float((usual - other).abs().max()) > 1e-2 * float(usual.abs().max())


@pytest.mark.parametrize("name", FAMILIES)
def test_answers_are_those_of_transformers(name: str, tokenizer: Any) -> None:
    model = random_model(name, tokenizer, SPREAD)
    backend = HuggingFaceBackend(model, tokenizer, tokenizer.eos_token_id, Limits(16, 10**6))
    assert (backend.passes is not None) == FAMILIES[name].own_passes
    shots = [5 + (11 * i) % 60 for i in range(20)]
    prompts = [[*shots, 9], [*shots, 8, 31], [*shots, 7, 7, 7], [40, 41, 42], [*shots[:11], 66]]
    expected = []
    for prompt in prompts:
        ids = model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=12, do_sample=False, pad_token_id=tokenizer.eos_token_id,
        )  # fmt: skip
        expected.append(backend.until_end(ids[0, len(prompt) :].tolist()))
    assert backend.generate(prompts, Sampling(12), lambda count: None) == expected
    assert len({tuple(answer) for answer in expected}) > 2


@pytest.mark.parametrize("name", FAMILIES)
def test_blocks_and_what_is_around_them(name: str, tokenizer: Any) -> None:
    """LiNeS scales by a block's number; embeddings come before them, also as a tied head."""
    model = random_model(name, tokenizer)
    sizes = {key: weight.numel() for key, weight in model.named_parameters()}
    blocks = find_blocks(sizes)
    assert (blocks.prefix, blocks.count) == (FAMILIES[name].blocks, 2)
    outside = {key for key in sizes if blocks.index(key) is None}
    before = {key for key in outside if is_embedding(key)}
    vocabulary = model.get_input_embeddings().weight
    assert any(weight is vocabulary for key, weight in model.named_parameters() if key in before)
    after = {key.rpartition(".")[0].rpartition(".")[2] for key in outside - before}
    assert len(after - HEADS) == 1  # the last norm
    tied = model.get_output_embeddings().weight is vocabulary
    assert any(is_head(key) for key in outside) == (not tied)


@pytest.mark.parametrize("name", FAMILIES)
def test_migu_watches_all_linear_layers_but_the_head(name: str, tokenizer: Any) -> None:
    model = random_model(name, tokenizer)
    migu = MIGU(from_task=1)
    migu.prepare_model(SimpleNamespace(position=1, batch=None), model)
    assert {layer.rpartition(".")[2] for layer in migu.watched} == FAMILIES[name].layers
    per_block = [layer.startswith(f"{FAMILIES[name].blocks}.0.") for layer in migu.watched]
    assert 2 * sum(per_block) == len(migu.watched)


@pytest.mark.parametrize("name", FAMILIES)
def test_adapters_of_all_layers_and_of_named_ones(name: str, tokenizer: Any) -> None:
    layers, every = FAMILIES[name].layers, [] if name in EXPERTS else [["all-linear"]]
    for targets in (*every, sorted(layers)):
        adapted = new_adapter(random_model(name, tokenizer), AdapterConfig(rank=2, targets=targets))
        factors = [key for key, _ in adapted.named_parameters() if factor_of(key) == "B"]
        found = {key.partition(".lora_")[0].rpartition(".")[2] for key in factors}
        assert found == layers, targets


@pytest.fixture
def folder(request: pytest.FixtureRequest, tiny_model: Path, tmp_path: Path) -> Path:
    return model_folder(request.param, tiny_model, tmp_path / "model")


@pytest.mark.parametrize("folder", ["gemma2"], indirect=True)
def test_soft_caps_need_attention_that_has_them(folder: Path, tiny_run: list[str]) -> None:
    words = [*tiny_run, f"model.path={folder}"]
    validate(load([*words, "model.attention=eager"]))
    with pytest.raises(ConfigError, match=r"^model\.attention=sdpa: gemma2 caps .*=eager$"):
        validate(load(words))


WORDS = [("mixtral", "all-linear"), ("mixtral", "w1"), ("olmoe", "down_proj"), ("olmoe", "gate")]


@pytest.mark.parametrize(("folder", "target"), WORDS, indirect=["folder"])
def test_experts_have_no_adapter(
    folder: Path, target: str, tiny_run: list[str], tokenizer: Any
) -> None:
    """Refused before a model loads; of one whose description was not here, before it trains."""
    words = [*tiny_run, f"model.path={folder}", "method=lora_seqft"]
    validate(load([*words, "method.adapter.targets=[q_proj,o_proj]"]))
    told = rf"^method\.adapter\.targets: '{target}' takes in the experts of .* no layers; name "
    with pytest.raises(ConfigError, match=told):
        validate(load([*words, f"method.adapter.targets=[{target}]"]))
    name = "mixtral" if target == "all-linear" else "olmoe"
    with pytest.raises(StageFailed, match=told):
        new_adapter(random_model(name, tokenizer), AdapterConfig(targets=[target]))
