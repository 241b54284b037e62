"""The share of a GPU's peak that training reaches: a random model of 7 to 8 billion weights,
bf16, rows packed. Needs a GPU that holds it."""

import argparse
import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import report
from bench.rounds import launch, medians

# Dense bf16 products of a device, FLOP/s, by a part of its name (the makers' data sheets).
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12}
BYTES = 18  # of a weight in full training: bf16 and fp32 copies, gradient, two moments
SHAPE = {"hidden_size": 4096, "intermediate_size": 11008, "heads": 32}
BLOCK = 4 * 4096**2 + 3 * 4096 * 11008
LENGTH, STEPS = 4096, 12
OVERRIDES = (
    "engine.precision=bf16",
    "engine.zero_stage=2",
    "engine.gradient_checkpointing=true",
    f"train.pack_tokens={LENGTH}",
)


def model_flops(weights: float, layers: int, hidden: int, length: float) -> float:
    """Of one token, forward and backward: six per weight, and attention over the half of a row that
    a causal model sees. What is computed twice to save memory does not count."""
    return 6 * weights + 6 * layers * hidden * length


def peak_of(name: str) -> float:
    """Ends the program for a device whose peak is not known."""
    found = next((peak for part, peak in PEAKS.items() if part in name), None)
    if found is None:
        raise SystemExit(f"--mfu: the peak of {name} is not known; known are {', '.join(PEAKS)}")
    return found


def measure(asked: argparse.Namespace, script: str) -> None:
    """Train a few steps as runs do; print and write tokens/s and the share of the peak."""
    import torch

    if not torch.cuda.is_available():
        raise SystemExit("--mfu: PyTorch finds no GPU here; nothing was measured")
    name, memory = torch.cuda.get_device_name(), torch.cuda.get_device_properties(0).total_memory
    peak, needed = peak_of(name), asked.billions * BYTES
    if needed > memory / 1e9:
        raise SystemExit(
            f"--mfu: {asked.billions:g} billion weights take about {needed:.0f} GB in full "
            f"training, {name} has {memory / 1e9:.0f}; "
            f"set --billions={math.floor(memory / BYTES / 1e8) / 10:.1f}"
        )
    layers = max(1, int(asked.billions * 1e9 // BLOCK))
    with tempfile.TemporaryDirectory() as passing:
        request = _request(asked, asked.place or Path(passing), layers)
        rounds = [_turn(request, script, asked.threads) for _ in range(asked.rounds)]
    row = medians(rounds)
    flops = model_flops(layers * BLOCK, layers, SHAPE["hidden_size"], row["row_length"])
    row |= {"device": name, "billions": layers * BLOCK / 1e9}
    row["mfu"] = row["tokens_by_s"] * flops / peak
    report.show(
        f"{name}: the share of its peak", ("device", "billions", "tokens_by_s", "mfu"), [row]
    )
    report.write(asked.out and asked.out.with_name("mfu.csv"), [row], asked.threads)


def _request(asked: argparse.Namespace, place: Path, layers: int) -> dict[str, Any]:
    from bench.material import encoded, make_model, prompt_format, task_rows
    from bench.training import BATCH, write_ours

    sizes = SHAPE | {"num_hidden_layers": layers}
    folder = make_model(place, f"{layers}-layers", asked.data, sizes)
    rows = task_rows(asked.data, "train", STEPS * BATCH // 8)
    every: Sequence[dict[str, str]] = [row for some in rows.values() for row in some]
    write_ours(place / "mfu", every)
    examples = encoded(prompt_format(folder), rows)
    steps = len(examples) // BATCH
    return {
        "who": "ours",
        "model": str(folder),
        "place": str(place / "mfu"),
        "device": "cuda",
        "overrides": list(OVERRIDES),
        "examples": [(one.prompt_ids, one.answer_ids) for one in examples],
        "batches": [list(range(at, at + BATCH)) for at in range(0, steps * BATCH, BATCH)],
    }


def _turn(request: dict[str, Any], script: str, threads: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as out:
        path = Path(out) / "request.json"
        path.write_text(json.dumps(request | {"out": out}))
        numbers = launch(script, {"file": str(path)}, threads)
    lengths = [len(prompt) + len(answer) for prompt, answer in request["examples"]]
    # Attention sees its own example alone: the mean length that a token's example has.
    seen = sum(length * length for length in lengths) / sum(lengths)
    return numbers | {"tokens_by_s": sum(lengths) / numbers["seconds"], "row_length": seen}
