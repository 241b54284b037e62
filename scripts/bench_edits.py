"""Edits of model folders beside mergekit and beside copying: whole commands, the results compared.

`python scripts/bench_edits.py [--millions 265] [--rounds 3] [--small]`

A random Llama in fp32 (265 million weights are 1.06 GB) and two models near it. Contestants: LiNeS
against mergekit's task arithmetic with weights that grow with the depth, TIES and the mean of two
models against mergekit's, and `cp` with sync as the least that writing a model takes.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import report
from bench.commands import command, harness
from bench.environment import environment
from bench.options import add_only, parsed, parser_of, run
from bench.rounds import Numbers, lacking, medians, note

DENSITY, ALPHA = 0.2, 0.5
EQUAL = 1e-6  # between weights
NOISE = 1e-3
# mergekit's file for each edit; a weight's list is spread over the depth.
RECIPES = {
    "lines": """
merge_method: task_arithmetic
base_model: {base}
models:
  - model: {first}
    parameters:
      weight:
        - {{filter: embed_tokens, value: 0.5}}
        - {{filter: lm_head, value: 0.5}}
        - {{filter: model.norm, value: 0.5}}
        - {{value: [0.5, 1.0]}}
parameters: {{normalize: false}}
dtype: float32
""",
    "ties": """
merge_method: ties
base_model: {base}
models:
  - {{model: {first}, parameters: {{weight: 1.0, density: 0.2}}}}
  - {{model: {second}, parameters: {{weight: 1.0, density: 0.2}}}}
dtype: float32
""",
    "wise_ft": """
merge_method: linear
models:
  - {{model: {base}, parameters: {{weight: 0.5}}}}
  - {{model: {first}, parameters: {{weight: 0.5}}}}
dtype: float32
""",
}
PARAMETERS = {
    "lines": (f"--alpha={ALPHA}",),
    "ties": (f"--density={DENSITY}",),
    "wise_ft": (f"--alpha={ALPHA}",),
}
SHOWN = ("edit", "contestant", "rounds", "whole_s", "whole_cpu_s", "ours_is_x_faster", "by_cpu",
         "peak_gb", "unequal_share", "largest_difference")  # fmt: skip


def main(argv: list[str]) -> None:
    """Measure the edits in turn; print and write their table."""
    parser = parser_of(__doc__)
    add_only(parser, RECIPES)
    parser.add_argument("--millions", type=int, default=265, help="weights of a model (265)")
    parser.add_argument("--do", nargs="+", help=argparse.SUPPRESS)
    asked = parsed(parser, argv, "edits.csv", RECIPES)
    if asked.do:
        return DOING[asked.do[0]](*asked.do[1:])
    with tempfile.TemporaryDirectory(dir=asked.place) as passing:
        place, millions = Path(passing), 80 if asked.small else asked.millions
        _do(asked.threads, "make", str(place), str(millions))
        names = asked.only or list(RECIPES)[: 1 if asked.small else None]
        found, apart = rounds_of(names, place, asked)
    rows = summary(found, apart)
    report.show(f"edits of folders of {4 * millions / 1000:.2f} GB", SHOWN, rows)
    report.write(asked.out, [{"millions": millions} | row for row in rows], asked.threads)
    return None


def rounds_of(
    names: list[str], place: Path, asked: argparse.Namespace
) -> tuple[dict[tuple[str, str], list[Numbers]], dict[tuple[str, str], Numbers]]:
    """(edit, contestant) -> its rounds; and how its weights differ from ours."""
    found: dict[tuple[str, str], list[Numbers]] = {}
    apart: dict[tuple[str, str], Numbers] = {}
    why = lacking("mergekit")
    if why:
        print(f"mergekit: left out, {why}")
    for number in range(asked.rounds):
        for name in names:
            for who, words in contestants(name, place, with_mergekit=why is None).items():
                out = place / f"out-{who}"
                shutil.rmtree(out, ignore_errors=True)
                found.setdefault((name, who), []).append(command(words, asked.threads))
                note(f"round {number + 1}: {name}, {who} {found[name, who][-1]['whole_s']:.1f} s")
                if who == "mergekit" and not number:
                    told = _do(asked.threads, "compare", str(place / "out-ours"), str(out))
                    share, most = map(float, told.split()[-2:])
                    apart[name, who] = {"unequal_share": share, "largest_difference": most}
    return found, apart


def contestants(name: str, place: Path, with_mergekit: bool) -> dict[str, list[str]]:
    """Who -> the command that writes place/out-<who>."""
    base, tuned = place / "base", [place / "first", place / "second"]
    tuned = tuned if name == "ties" else tuned[:1]
    words = ["edit", name, f"--base={base}", "--tuned", *map(str, tuned)]
    found = {"ours": harness(*words, f"--out={place / 'out-ours'}", *PARAMETERS[name])}
    if with_mergekit:
        recipe = place / f"{name}.yaml"
        recipe.write_text(RECIPES[name].format(base=base, first=tuned[0], second=tuned[-1]))
        tool = str(Path(sys.executable).parent / "mergekit-yaml")
        found["mergekit"] = [tool, str(recipe), str(place / "out-mergekit"), "--out-shard-size=5B"]
    out = place / "out-cp and sync"
    copied = f"cp -r '{tuned[0]}' '{out}' && sync '{out}'/*"
    return found | {"cp and sync": ["sh", "-c", copied]}


def summary(
    found: dict[tuple[str, str], list[Numbers]], apart: dict[tuple[str, str], Numbers]
) -> list[dict[str, Any]]:
    """Medians, and of ratios in the same round."""
    rows = []
    for (name, who), rounds in found.items():
        mine = found[name, "ours"]
        each = [
            {"ours_is_x_faster": a["whole_s"] / b["whole_s"],
             "by_cpu": a["whole_cpu_s"] / b["whole_cpu_s"]}
            for a, b in zip(rounds, mine, strict=True)
        ]  # fmt: skip
        row = {"edit": name, "contestant": who, "rounds": len(rounds)}
        row |= medians(rounds) | medians(each)
        if (name, who) in apart:
            row |= apart[name, who]
        rows.append(row)
    return rows


def make(place: str, millions: str) -> None:
    """The base and two models near it."""
    import torch
    from bench_memory import make_model
    from safetensors.torch import load_file, save_file

    base = Path(place) / "base"
    make_model(base, int(millions))
    for seed, name in enumerate(("first", "second"), start=1):
        shutil.copytree(base, base.with_name(name))
        source = torch.Generator().manual_seed(seed)
        for path in base.with_name(name).glob("*.safetensors"):
            weights = load_file(path)
            for value in weights.values():
                value += NOISE * torch.randn(value.shape, generator=source)
            save_file(weights, path, {"format": "pt"})


def compare(first: str, second: str) -> None:
    """Print how many weights of two folders differ by more than `EQUAL`, as a share of all, and the
    largest difference. TIES may keep another one of weights that are equally large at its
    threshold."""
    from safetensors import safe_open

    def opened(folder: str) -> dict[str, Any]:
        files = [safe_open(path, "pt") for path in sorted(Path(folder).glob("*.safetensors"))]
        return {name: file for file in files for name in file.keys()}  # noqa: SIM118

    mine, other = opened(first), opened(second)
    if mine.keys() != other.keys():
        raise SystemExit(f"{first} and {second} hold weights of different names")
    most = unequal = count = 0.0
    for name in mine:
        difference = mine[name].get_tensor(name).float() - other[name].get_tensor(name).float()
        difference = difference.abs()
        most = max(most, float(difference.max()))
        unequal, count = unequal + int((difference > EQUAL).sum()), count + difference.numel()
    print(unequal / count, most)


DOING = {"make": make, "compare": compare}


def _do(threads: int, *words: str) -> str:
    """In a process of its own: what a process has held would count as its children's memory."""
    done = subprocess.run(
        [sys.executable, __file__, "--do", *words],
        env=environment(threads),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(done.stderr.strip().splitlines()[-1])
    return done.stdout


if __name__ == "__main__":
    run(main)
