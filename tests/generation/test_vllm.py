"""vLLM's backend against a stand-in for vLLM that is plain transformers in another process: what is
asked and answered is the protocol's, and equals the backend of this process."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from support.vllm_python import stand_in_python
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.config import Attention, EvalBackend, HarnessConfig, Quantization
from harness.config.compose.compose import load
from harness.errors import ConfigError, StageFailed
from harness.generation.backend import Sampling
from harness.generation.batches import Limits
from harness.generation.hf import HuggingFaceBackend
from harness.generation.vllm import environment
from harness.generation.vllm.backend import VllmBackend, vllm_backend
from harness.generation.vllm.process import WORKER, VllmProcess
from harness.models.adapters.stages import load_stage
from harness.models.loading import load_prompts

TEXTS = ["Add 3 and 4.", "a", "Who wrote the report on the harbour?\nAnswer:", "b c d e f"]


@pytest.fixture(scope="module")
def config(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> HarnessConfig:
    python = stand_in_python(tmp_path_factory.mktemp("python"))
    return load(
        [f"model.path={tiny_model}", "eval.backend=vllm", f"eval.vllm_python={python}", "seed=3"]
    )


@pytest.fixture(scope="module")
def prompts(tiny_model: Path) -> list[list[int]]:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    return [tokenizer(text)["input_ids"] for text in TEXTS]


@pytest.fixture(scope="module")
def adapters(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two stages that are adapters of ranks 4 and 8, with effects."""
    from peft import LoraConfig, get_peft_model

    made = []
    for rank in (4, 8):
        torch.manual_seed(rank)
        base = AutoModelForCausalLM.from_pretrained(tiny_model)
        setting = LoraConfig(r=rank, target_modules="all-linear", task_type="CAUSAL_LM")
        adapted = get_peft_model(base, setting)
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.05)
        made.append(tmp_path_factory.mktemp("stage") / str(rank))
        adapted.save_pretrained(made[-1])
        AutoTokenizer.from_pretrained(tiny_model).save_pretrained(made[-1])
    return made


def asked(config: HarnessConfig, source: Path) -> VllmBackend:
    return vllm_backend(config, source, load_prompts(config.model, source), "cpu")


def plain(config: HarnessConfig, source: Path) -> HuggingFaceBackend:
    read = load_prompts(config.model, source)
    model = load_stage(config.model, source, "fp32").eval()
    return HuggingFaceBackend(model, read.tokenizer, read.eos_token_id, Limits(1, 1024))


def agree(config: HarnessConfig, source: Path, prompts: list[list[int]]) -> VllmBackend:
    """Both backends give the same for a stage."""
    served, here = asked(config, source), plain(config, source)
    assert served.context == here.context
    counts: list[int] = []
    made = served.generate(prompts, Sampling(12), counts.append)
    assert made == here.generate(prompts, Sampling(12), lambda n: None)
    assert sum(counts) == len(prompts)
    pairs = [(prompt, answer) for prompt, answer in zip(prompts, made, strict=True) if answer]
    pairs += [(prompts[0], [7]), (prompts[0], [7, 9, 11])]
    for mine, other in zip(
        served.likelihoods(pairs, lambda n: None),
        here.likelihoods(pairs, lambda n: None),
        strict=True,
    ):
        assert mine.greedy == other.greedy
        assert mine.log_probability == pytest.approx(other.log_probability, abs=1e-4)
    return served


@pytest.mark.distributed
def test_it_answers_what_this_process_would(
    config: HarnessConfig, tiny_model: Path, prompts: list[list[int]]
) -> None:
    served = agree(config, tiny_model, prompts)
    again = agree(config, tiny_model, prompts)
    assert again.process is served.process
    assert served.generate([], Sampling(3), lambda n: None) == []
    assert served.likelihoods([], lambda n: None) == []


def test_a_stop_text_and_a_long_row(config: HarnessConfig, prompts: list[list[int]]) -> None:
    source = Path(config.model.path)
    served, here = asked(config, source), plain(config, source)
    free = here.generate(prompts[:1], Sampling(12), lambda n: None)[0]
    stop = here.tokenizer.decode(free[2:4])
    (made,) = served.generate(prompts[:1], Sampling(12, stop=(stop,)), lambda n: None)
    assert made == free[: len(made)]
    assert stop in here.tokenizer.decode(made)
    assert len(made) < 12
    long = [5 + n % 50 for n in range(served.context + 40)]
    (found,) = served.likelihoods([(long, [7, 8])], lambda n: None)
    cut = long[-(served.context - 3) :]
    (expected,) = here.likelihoods([(cut, [7, 8])], lambda n: None)
    assert found.log_probability == pytest.approx(expected.log_probability, abs=1e-4)


def test_an_unknown_option_is_one_line(config: HarnessConfig, prompts: list[list[int]]) -> None:
    served = asked(config, Path(config.model.path))
    with pytest.raises(StageFailed, match=r"^vLLM: TypeError: .*colour") as caught:
        served.generate(prompts, Sampling(3, options={"colour": 1}), lambda n: None)
    assert "\n" not in str(caught.value)


@pytest.mark.distributed
@pytest.mark.distributed
def test_adapters_are_swapped_in_a_living_process_and_other_weights_are_not(
    config: HarnessConfig, adapters: list[Path], prompts: list[list[int]], tmp_path: Path
) -> None:
    first = agree(config, adapters[1], prompts).process
    assert agree(config, adapters[0], prompts).process is first
    other = tmp_path / "other"
    shutil.copytree(config.model.path, other)
    model = AutoModelForCausalLM.from_pretrained(other)
    with torch.no_grad():
        model.model.layers[0].mlp.up_proj.weight.mul_(-1)
    model.save_pretrained(other)
    assert agree(config, other, prompts).process is not first
    assert not first.alive()


def test_a_process_that_dies_is_told_with_its_last_line(
    config: HarnessConfig, prompts: list[list[int]], tmp_path: Path
) -> None:
    python = stand_in_python(tmp_path, DIE="1")
    evaluation = dataclasses.replace(config.eval, vllm_python=str(python))
    dying = dataclasses.replace(config, eval=evaluation)
    served = asked(dying, Path(config.model.path))
    with pytest.raises(StageFailed, match=r"ended \(exit code 1\): EngineDeadError: the engine"):
        served.generate(prompts, Sampling(3), lambda n: None)


def test_a_worker_ends_with_its_input(config: HarnessConfig) -> None:
    process = VllmProcess(str(config.eval.vllm_python), "cpu")
    with pytest.raises(StageFailed, match=r"^vLLM: AttributeError"):
        process.ask("sing")
    process.stop()
    assert not process.alive()


def test_the_worker_needs_nothing_of_this_package() -> None:
    """With an empty environment and no site packages it reads and answers."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(WORKER)],
        input='{"op": "load", "model": "m", "revision": null, "adapter": null, "rank": 0, '
        '"dtype": "float32", "context": 8, "seed": 0, "code": false}\n{"op": "stop"}\n',
        capture_output=True,
        text=True,
        check=True,
        env={},
    )
    assert json.loads(done.stdout)["error"].startswith(
        "ModuleNotFoundError: No module named 'vllm'"
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, "eval.backend=vllm: eval.vllm_python is not set; name the python"),
        ("/no/such/python", "eval.vllm_python: there is no program /no/such/python"),
        (sys.executable, "has no vllm; install it there"),
        ("/bin/false", "/bin/false does not run as a python (it wrote nothing)"),
    ],
)
def test_a_python_that_will_not_do_is_refused_before_a_model_loads(
    config: HarnessConfig, given: str | None, told: str
) -> None:
    evaluation = dataclasses.replace(config.eval, vllm_python=given)
    lines = environment.backend_mistakes(dataclasses.replace(config, eval=evaluation))
    assert len(lines) == 1
    assert told in lines[0]


def test_what_backends_do_not_know_is_refused(config: HarnessConfig) -> None:
    model = dataclasses.replace(config.model, quantization=Quantization.nf4)
    (line,) = environment.backend_mistakes(dataclasses.replace(config, model=model))
    assert line == "eval.backend=vllm: not with model.quantization=nf4; use eval.backend=hf"
    model = dataclasses.replace(config.model, attention=Attention.flex_attention)
    paged = dataclasses.replace(config.eval, backend=EvalBackend.paged)
    lines = environment.backend_mistakes(dataclasses.replace(config, model=model, eval=paged))
    assert lines == ["eval.backend=paged: it has no model.attention=flex_attention; use sdpa"]


def test_a_good_one_is_not(config: HarnessConfig) -> None:
    assert environment.backend_mistakes(config) == []
    assert environment.vllm_version(str(config.eval.vllm_python), "here") == "0.0"
    with pytest.raises(ConfigError, match=r"^here: "):
        environment.vllm_version("/no/such/python", "here")


def test_it_sees_one_device_and_nothing_of_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment.OURS:
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    seen: dict[str, Any] = environment.environment("cuda:1")
    assert seen["CUDA_VISIBLE_DEVICES"] == "6"
    assert not set(environment.OURS) & set(seen)
    assert environment.environment("cpu")["CUDA_VISIBLE_DEVICES"] == ""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert environment.environment("cuda:3")["CUDA_VISIBLE_DEVICES"] == "3"
