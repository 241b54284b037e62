"""Folders in and out: shards, adapters, types, tied heads, crashes, memory, use in transformers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.places import REPOSITORY

from harness.errors import DataError
from harness.methods.edits.apply import apply_edit
from harness.methods.edits.lines import LiNeS
from harness.methods.edits.task_arithmetic import TaskArithmetic
from harness.methods.edits.ties import TIES
from harness.methods.edits.wise_ft import WiSEFT

Weights = dict[str, torch.Tensor]
Read = Callable[[Path], Weights]


def equal(found: Weights, expected: Weights) -> bool:
    """The same names, types and bits."""
    return found.keys() == expected.keys() and all(
        found[name].dtype == value.dtype and torch.equal(found[name], value)
        for name, value in expected.items()
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_ends_are_the_models_bit_for_bit(
    tiny_model: Path, changed: Callable, weights: Read, tmp_path: Path, dtype: torch.dtype
) -> None:
    base = changed(tiny_model, tmp_path / "base", 7, dtype)
    tuned = changed(base, tmp_path / "tuned", 8)
    for name, edit, end in (
        ("wise0", WiSEFT(alpha=0.0), base),
        ("wise1", WiSEFT(alpha=1.0), tuned),
        ("lines0", LiNeS(alpha=0.0, beta=0.0), base),
        ("lines1", LiNeS(alpha=1.0, beta=0.0), tuned),
        ("lines_default", LiNeS(alpha=1.0), tuned),
        ("scale0", TaskArithmetic(scale=0.0), base),
    ):
        apply_edit(edit, base, [tuned], tmp_path / name)
        assert equal(weights(tmp_path / name), weights(end)), name
        assert not equal(weights(tmp_path / name), weights(base if end is tuned else tuned))
    config = json.loads((tmp_path / "wise1" / "config.json").read_text())
    assert config["dtype"] == str(dtype).removeprefix("torch.")


def test_bf16_is_computed_in_float32_and_rounded_once(
    tiny_model: Path, changed: Callable, weights: Read, tmp_path: Path
) -> None:
    base = changed(tiny_model, tmp_path / "base", 7, torch.bfloat16)
    tuned = [changed(base, tmp_path / f"tuned{seed}", seed) for seed in (1, 2)]
    apply_edit(TaskArithmetic(scale=0.4), base, tuned, tmp_path / "out")
    apply_edit(TaskArithmetic(scale=0.4), base, tuned, tmp_path / "wide", dtype="fp32")
    out, wide = weights(tmp_path / "out"), weights(tmp_path / "wide")
    first, second = (weights(folder) for folder in tuned)
    for name, value in weights(base).items():
        start = value.double()
        exact = start + 0.4 * (first[name].double() + second[name].double() - 2 * start)
        assert out[name].dtype == torch.bfloat16
        assert float((wide[name] - exact).abs().max()) <= 1e-6
        assert torch.equal(out[name], wide[name].bfloat16())


def test_the_widest_type_is_kept(
    tiny_model: Path, changed: Callable, weights: Read, tmp_path: Path
) -> None:
    base = changed(tiny_model, tmp_path / "base", 7, torch.bfloat16)
    tuned = changed(base, tmp_path / "tuned", 8, torch.float32)
    apply_edit(WiSEFT(alpha=1.0), base, [tuned], tmp_path / "out")
    assert equal(weights(tmp_path / "out"), weights(tuned))


def test_shards_read_and_written_change_nothing(
    tiny_model: Path, tuned: list[Path], weights: Read, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    sharded = []
    for folder in (tiny_model, *tuned):
        place = tmp_path / f"sharded_{folder.name}"
        AutoModelForCausalLM.from_pretrained(folder).save_pretrained(place, max_shard_size="100KB")
        assert len(list(place.glob("*.safetensors"))) > 2
        sharded.append(place)
    edit = TIES(density=0.3)
    apply_edit(edit, tiny_model, tuned, tmp_path / "whole")
    apply_edit(edit, sharded[0], sharded[1:], tmp_path / "from_shards")
    apply_edit(edit, tiny_model, tuned, tmp_path / "to_shards", shard_bytes=100_000)
    expected = weights(tmp_path / "whole")
    for name in ("from_shards", "to_shards"):
        assert equal(weights(tmp_path / name), expected)
    index = json.loads((tmp_path / "to_shards" / "model.safetensors.index.json").read_text())
    assert index["weight_map"].keys() == expected.keys()
    assert index["metadata"]["total_size"] == sum(v.nbytes for v in expected.values())
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "to_shards").state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in expected.items())


def test_an_adapter_is_its_merged_model(
    tiny_model: Path, adapter: Path, weights: Read, tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), adapter)
    model.merge_and_unload(safe_merge=True).save_pretrained(tmp_path / "merged")
    edit = LiNeS(alpha=0.3, beta=0.7)
    apply_edit(WiSEFT(alpha=1.0), tiny_model, [adapter], tmp_path / "adapted")
    apply_edit(edit, tiny_model, [adapter], tmp_path / "a")
    apply_edit(edit, tiny_model, [tmp_path / "merged"], tmp_path / "b")
    base = weights(tiny_model)
    for mine, theirs in (("adapted", "merged"), ("a", "b")):
        found, expected = weights(tmp_path / mine), weights(tmp_path / theirs)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert float((found[name] - value).abs().max()) <= 1e-6, name
    moved = {name for name, value in base.items() if not torch.equal(value, found[name])}
    assert {name.split(".")[-2] for name in moved} == {
        *("q_proj", "v_proj", "down_proj", "embed_tokens")
    }


def test_an_edited_folder_generates(tiny_model: Path, tuned: list[Path], tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out = tmp_path / "out"
    apply_edit(TIES(), tiny_model, tuned, out)
    model = AutoModelForCausalLM.from_pretrained(out)
    tokenizer = AutoTokenizer.from_pretrained(out)
    prompt = tokenizer("red stone", return_tensors="pt")
    ids = model.generate(**prompt, max_new_tokens=4, min_new_tokens=4, do_sample=False)
    assert ids.shape[1] == prompt["input_ids"].shape[1] + 4
    assert (out / "generation_config.json").is_file()
    record = json.loads((out / "edit.json").read_text())
    assert record["edit"] == {"class": "ties"}
    assert record["tuned"] == [str(folder) for folder in tuned]


def test_what_no_t5_reads_is_no_difference(
    tiny_t5: Path, changed: Callable[..., Path], weights: Read, tmp_path: Path
) -> None:
    """Published files of the first T5s hold more than a stage that was trained from them."""
    from transformers import AutoModelForSeq2SeqLM

    published = shutil.copytree(tiny_t5, tmp_path / "published")
    stored = weights(published)
    bias = stored["decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
    stored["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"] = bias.clone()
    for side in ("encoder", "decoder"):
        stored[f"{side}.embed_tokens.weight"] = stored["shared.weight"].clone()
    save_file(stored, published / "model.safetensors", metadata={"format": "pt"})
    tuned = changed(tiny_t5, tmp_path / "tuned", 3)
    apply_edit(WiSEFT(alpha=0.5), published, [tuned], tmp_path / "out")
    base, other = weights(tiny_t5), weights(tuned)
    found = weights(tmp_path / "out")
    assert found.keys() == base.keys()
    for name, value in found.items():
        assert torch.allclose(value, (base[name] + other[name]) / 2, atol=1e-6), name
    loaded = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "out")
    assert torch.equal(loaded.encoder.embed_tokens.weight, found["shared.weight"])


def test_a_tied_head_is_stored_once(tiny_model: Path, weights: Read, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(tiny_model)
    config.tie_word_embeddings = True
    folders = []
    for seed in range(3):
        torch.manual_seed(seed)
        folder = tmp_path / f"tied{seed}"
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
        assert "lm_head.weight" not in weights(folder)
        folders.append(folder)
    twice = tmp_path / "twice"
    shutil.copytree(folders[1], twice)
    stored = weights(twice)
    stored["lm_head.weight"] = stored["model.embed_tokens.weight"].clone()
    save_file(stored, twice / "model.safetensors", metadata={"format": "pt"})

    edit = LiNeS(alpha=0.2, head="alpha+beta")
    apply_edit(edit, folders[0], [folders[1]], tmp_path / "once")
    apply_edit(edit, folders[0], [twice], tmp_path / "from_twice")
    found = weights(tmp_path / "from_twice")
    assert equal(found, weights(tmp_path / "once"))
    assert "lm_head.weight" not in found
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "from_twice")
    assert torch.equal(model.lm_head.weight, found["model.embed_tokens.weight"])

    stored["lm_head.weight"] += 1
    save_file(stored, twice / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match=r"has lm_head\.weight, which .* has not"):
        apply_edit(edit, folders[0], [twice], tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_integer_buffers_are_the_bases(
    tiny_model: Path, tuned: list[Path], weights: Read, tmp_path: Path
) -> None:
    folders = []
    for number, folder in enumerate((tiny_model, tuned[0])):
        place = tmp_path / f"buffer{number}"
        shutil.copytree(folder, place)
        stored = weights(place) | {"step": torch.tensor([5]), "mask": torch.tensor([True, False])}
        save_file(stored, place / "model.safetensors", metadata={"format": "pt"})
        folders.append(place)
    apply_edit(WiSEFT(), folders[0], folders[1:], tmp_path / "out")
    found = weights(tmp_path / "out")
    assert found["step"].tolist() == [5]
    assert found["mask"].tolist() == [True, False]


CHILD = """
import sys
from pathlib import Path
from harness.methods.edits.apply import apply_edit, peak_memory
from harness.methods.edits.loading import load_edit
spec = {"_target_": sys.argv[1], **dict(word.split("=") for word in sys.argv[2].split(",") if word)}
*warm, base, tuned, out = map(Path, sys.argv[3:])
if warm:
    apply_edit(load_edit(spec), *warm[:1], warm[1:2], warm[2])
before = peak_memory()
apply_edit(load_edit(spec), base, [tuned], out)
print(peak_memory() - before)
"""


def child(target: str, parameters: str, *folders: Path) -> list[str]:
    names = [str(folder) for folder in folders]
    return [sys.executable, "-c", CHILD, f"harness.methods.edits.{target}", parameters, *names]


def large_folder(tiny_model: Path, folder: Path, layers: int, side: int) -> Path:
    """Matrices of `side` x `side` float32, one a layer, in shards of eight."""
    folder.mkdir()
    shutil.copy(tiny_model / "config.json", folder)
    weight_map = {}
    for layer in range(layers):
        name = f"model.layers.{layer}.weight"
        file = f"model-{layer:05d}-of-{layers:05d}.safetensors"
        save_file({name: torch.randn(side, side)}, folder / file, metadata={"format": "pt"})
        weight_map[name] = file
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return folder


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "2"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "parameters"),
    [("lines.LiNeS", "alpha=0.3,beta=0.7"), ("ties.TIES", "trim=global"), ("ties.TIES", "")],
)
def test_memory_is_that_of_a_few_tensors(
    tiny_model: Path, tmp_path: Path, target: str, parameters: str
) -> None:
    """Two folders of 1 GB in 28 matrices of 38 MB (smaller ones the allocator may keep)."""
    layers, side = 28, 3072
    small = [large_folder(tiny_model, tmp_path / f"small_{name}", 2, 64) for name in "ab"]
    large = [large_folder(tiny_model, tmp_path / name, layers, side) for name in "ab"]
    tensor = 4 * side * side
    # The small edit comes first, so that the code's own memory is not counted.
    done = subprocess.run(
        child(target, parameters, *small, tmp_path / "out_small", *large, tmp_path / "out"),
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )
    peak = int(done.stdout)
    print(f"{target} {parameters}: {peak / 1e6:.0f} MB, {peak / tensor:.1f} tensors")
    assert peak <= (4 if target.startswith("lines") else 12) * tensor
    shutil.rmtree(tmp_path)


def test_a_killed_edit_leaves_no_folder(tiny_model: Path, weights: Read, tmp_path: Path) -> None:
    base, tuned = (large_folder(tiny_model, tmp_path / name, 24, 1024) for name in "ab")
    out = tmp_path / "out"
    process = subprocess.Popen(
        child("ties.TIES", "", base, tuned, out),
        stdout=subprocess.DEVNULL,
        env=environment(),
    )
    while not list(tmp_path.glob(".out.*/*.safetensors")):
        assert process.poll() is None
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    assert list(tmp_path.glob(".out.*/"))  # the part that was written, under a hidden name
    apply_edit(WiSEFT(alpha=0.0), base, [tuned], out)
    assert not list(tmp_path.glob(".out.*"))
    assert len(weights(out)) == 24


def test_what_a_failed_edit_wrote_is_removed(
    tiny_model: Path, tuned: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    apply_edit(WiSEFT(alpha=0.0), tiny_model, tuned[:1], out)
    before = load_file(out / "model.safetensors")

    def fail(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.models.weights.writing.copy_companions", fail)
    with pytest.raises(KeyboardInterrupt):
        apply_edit(WiSEFT(alpha=1.0), tiny_model, tuned[:1], out, overwrite=True)
    assert equal(load_file(out / "model.safetensors"), before)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
