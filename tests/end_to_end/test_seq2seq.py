"""A whole run of an encoder-decoder: killed in the middle of a stage it goes on, and its stages are
model folders that transformers loads."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from support.command import harness
from support.processes import ranks_of, started, when
from transformers import AutoModelForSeq2SeqLM

from harness.config.compose.compose import load
from harness.run.parent import execute

pytestmark = pytest.mark.distributed


def placed(words: list[str], place: Path) -> list[str]:
    return [*words, f"store.root={place / 'store'}", f"store.results={place / 'results'}"]


@pytest.fixture(scope="module")
def words(tiny_flan: Path, tiny_data: Path, tiny_conf: list[str]) -> list[str]:
    """Two tasks by a method with a state, an edit behind every stage, two ranks."""
    return [
        *tiny_conf,
        f"model.path={tiny_flan}",
        f"data.root={tiny_data}",
        "method=[ewc,wise_ft]",
        "method.num_samples=4",
        "engine=zero2",
        "engine.ranks=2",
        "train.epochs=6",
        "eval.limit=4",
    ]


def scored(store: Path) -> dict[str, Any]:
    files = sorted(store.glob("eval/*/scores.json"))
    return {file.parent.name: json.loads(file.read_text()) for file in files}


def test_a_run_is_killed_and_goes_on(words: list[str], tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    parent = started(*placed(words, killed), "train.checkpoint_steps=2", "run.retries=0")
    when(lambda: list(killed.glob("store/partial/train/*/step-*")), parent)
    os.kill(ranks_of(killed / "store")[0], signal.SIGKILL)
    told = parent.communicate(timeout=120)[1]
    assert parent.returncode == 1, told
    done = harness(*placed(words, killed))
    assert done.returncode == 0, done.stderr
    assert "goes on at step" in done.stderr

    execute(load(placed(words, whole)))
    assert scored(killed / "store") == scored(whole / "store")
    assert len(scored(whole / "store")) == 5
    stages = sorted(whole.glob("store/train/*/model.safetensors"))
    assert len(stages) == 2
    for file in stages:
        assert (killed / file.relative_to(whole)).read_bytes() == file.read_bytes()


def test_stages_and_exports_are_models_of_transformers(
    words: list[str], tiny_flan: Path, tmp_path: Path
) -> None:
    """LoRA on queries and values: the merged model says what the adapter says, by peft."""
    from peft import PeftModel

    words = [word for word in words if not word.startswith(("method", "engine=", "train.epochs"))]
    words = [*words, "method=lora_seqft", "engine=zero3", "train.epochs=1", "eval.stage0=false"]
    words = placed(words, tmp_path)
    execute(load(words))
    store, out = tmp_path / "store", tmp_path / "out"
    listed = harness("store", "ls", "--store", str(store))
    [run] = [line.split()[0] for line in listed.stdout.splitlines() if "lora_seqft" in line]
    done = harness(
        "store", "export", "--store", str(store), run, "1", "--out", str(out), "--merged"
    )
    assert done.returncode == 0, done.stderr

    inputs = {
        "input_ids": torch.tensor([[5, 6, 7, 1]]),
        "decoder_input_ids": torch.tensor([[0, 8, 9]]),
    }
    base = AutoModelForSeq2SeqLM.from_pretrained(tiny_flan).eval()
    before = base(**inputs).logits
    found = AutoModelForSeq2SeqLM.from_pretrained(out).eval()(**inputs).logits
    adapters = [path.parent for path in store.glob("train/*/adapter_config.json")]
    assert {json.loads((p / "adapter_config.json").read_text())["task_type"] for p in adapters} == {
        "SEQ_2_SEQ_LM"
    }
    [first] = [
        p for p in adapters if json.loads((p / "training.json").read_text())["task"] == "copy"
    ]
    adapted = PeftModel.from_pretrained(base, first).eval()(**inputs).logits
    assert torch.allclose(found, adapted, atol=1e-5)
    assert not torch.allclose(found, before, atol=1e-3)
