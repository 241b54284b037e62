"""Stages as folders for other programs: what transformers and peft make of them is what they make
of the stage."""

import json
from pathlib import Path

import pytest
import torch
from support.command import harness, refused
from support.stored import known, planned, write
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.models.exported import export
from harness.run.job import Job
from harness.run.stored.card import model_card
from harness.run.stored.runs import stored_runs
from harness.store.work import TrainWork

IDS = torch.arange(5, 25)[None]


def logits(folder: Path) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return model(IDS).logits


@pytest.fixture(scope="session")
def adapter(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter that changes the tiny model much, as a stage's folder holds it."""
    import peft

    folder = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(2)
    settings = peft.LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    peft.get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_model), settings).save_pretrained(
        folder
    )
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(folder)
    return folder


@pytest.fixture
def adapted(tiny_run: list[str], adapter: Path) -> Job:
    job = planned(tiny_run, "method=lora_seqft")
    write(job, model=adapter)
    return known(job)


def test_a_merged_stage_answers_as_peft_merges_it(
    adapted: Job, adapter: Path, tiny_model: Path, tmp_path: Path
) -> None:
    import peft

    run, out = adapted.plan.run["run"], tmp_path / "out"
    place = f"--store={adapted.store.root}"
    words = ["store", "export", place, run[:9], "count", "--out", str(out)]
    told = harness(*words, "--merged")
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith(f"stage 2 of run {run} (lora_seqft seed=0 on micro8): model, ")
    whole = peft.AutoPeftModelForCausalLM.from_pretrained(adapter).merge_and_unload().eval()
    with torch.no_grad():
        expected = whole(IDS).logits
    assert torch.allclose(logits(out), expected, atol=1e-6)
    assert not torch.allclose(logits(tiny_model), expected, atol=1e-2)
    base = json.loads((tiny_model / "config.json").read_text())
    assert json.loads((out / "config.json").read_text()) == base
    assert not (out / "adapter_config.json").exists()
    tokenizer = AutoTokenizer.from_pretrained(out)
    assert tokenizer("copy: red\nAnswer:").input_ids == (
        AutoTokenizer.from_pretrained(tiny_model)("copy: red\nAnswer:").input_ids
    )
    card = (out / "README.md").read_text()
    for part in (
        f"base_model: {tiny_model}\nlibrary_name: transformers\n",
        "after copy, count, trained in this order (sequential)",
        f"| run | {run} |",
        "| seed | 0 |",
        "| method | lora_seqft |",
        "| target | copy | accuracy | 0.5000 | 0.2500 | 4 |",
    ):
        assert part in card
    assert refused(*words) == f"error: --out {out}: is not empty; choose another folder"
    assert sorted(path.name for path in tmp_path.iterdir() if "out" in path.name) == ["out"]


@pytest.mark.parametrize(
    ("method", "stage", "line"),
    [
        ("single", 2, "A model trained on count alone (single) from "),
        ("joint", 2, "A model trained on copy, count, all at once (joint) from "),
        ("[seqft,lines]", 1, "A model after copy, edited (sequential) from "),
    ],
)
def test_a_card_says_what_a_stage_saw(
    method: str, stage: int, line: str, tiny_run: list[str]
) -> None:
    job = known(planned(tiny_run, f"method={method}"))
    write(job, ("train", "edit", "eval"))
    run = stored_runs(job.store).runs[job.plan.run["run"]]
    name = run.model_of(job.store, stage)
    assert name is not None
    model = job.store.manifest(*name)["config"]["model"]
    assert f"\n{line}`" in model_card(job.store, run, stage, name, model, adapter=False)


@pytest.mark.parametrize("dtype", [None, "bf16"])
def test_an_adapter_stays_one(
    dtype: str | None, adapter: Path, tiny_model: Path, tmp_path: Path
) -> None:
    told = export(asked(adapter, tiny_model, tmp_path, dtype=dtype))
    files = adapter / "adapter_model.safetensors", tmp_path / "adapter_model.safetensors"
    sizes = [path.stat().st_size for path in files]
    assert told["bytes"] <= sizes[1] <= sizes[0] * (0.7 if dtype else 1)
    assert torch.allclose(logits(tmp_path), logits(adapter), atol=5e-2 if dtype else 0)


@pytest.mark.parametrize("dtype", [None, "fp32", "bf16"])
def test_a_whole_model_in_another_type(dtype: str | None, tiny_model: Path, tmp_path: Path) -> None:
    """Under the names of the base's files, which need not be those that transformers writes."""
    export(asked(tiny_model, tiny_model, tmp_path, dtype=dtype))
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    kind = torch.bfloat16 if dtype == "bf16" else torch.float32
    expected = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=kind).state_dict()
    assert loaded.state_dict().keys() == expected.keys()
    assert all(value.equal(expected[name]) for name, value in loaded.state_dict().items())
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == str(kind)[6:]


def asked(folder: Path, base: Path, out: Path, dtype: str | None) -> dict[str, object]:
    return {
        "folder": str(folder),
        "base": str(base),
        "out": str(out),
        "merged": False,
        "dtype": dtype,
    }


def test_exports_that_are_refused(adapted: Job, tmp_path: Path) -> None:
    """Before anything is loaded or written."""
    run, out = adapted.plan.run["run"], tmp_path / "out"
    first, last = adapted.plan.of(TrainWork)
    folder = adapted.store.path("train", first.key)
    (folder / "dropped.json").write_text('{"adapter_model.safetensors": 1}')
    manifest = adapted.store.path("train", last.key) / "manifest.json"
    text = manifest.read_text()
    gone = json.loads(text)
    gone["config"]["model"]["path"] = "/nowhere/model"
    manifest.write_text(json.dumps(gone))
    for words, line in (
        (["x", "1"], f"RUN x: there is no such run; known: {run}"),
        ([run, "3"], f"STAGE 3: run {run} has no such stage; use 1 to 2, last, or a task"),
        ([run, "cout"], "last, or a task; did you mean 'count'?"),
        ([run, "0"], "STAGE 0: is the initial model"),
        ([run, "1"], "STAGE 1: its weights were dropped (store.keep)"),
        ([run, "last", "--merged"], "STAGE 2: its base model /nowhere/model is not here"),
    ):
        asked = ["store", "export", f"--store={adapted.store.root}", *words, "--out", str(out)]
        assert line in refused(*asked)
        assert not out.exists()
    gone["config"]["model"]["quantization"] = "nf4"
    manifest.write_text(json.dumps(gone))
    assert "was trained on weights in nf4" in refused(*asked)
