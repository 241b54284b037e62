"""How often the intervals of `harness compare` hold the truth, where the truth is known.

`python scripts/simulate_intervals.py [--tables 2000] [--seed 0] [--out results/intervals.csv]`

Right and wrong answers of two methods on four tasks: an item is as hard for both, a seed makes a
model better or worse on a task, and the rest is chance (normal latents, so that the true difference
of the means over all seeds and items is known exactly).
"""

import argparse
import csv
import io
import itertools
import math
from pathlib import Path

import numpy as np
from bench.options import run
from scipy.stats import norm

from harness.results.comparing.crossed import LEVEL, holm, interval
from harness.store.files import write_atomically

TASKS, RIVALS = 4, 4
HARD, LUCK = 1.0, 0.25  # standard deviations of items and of seeds, beside chance of 1
ITEMS, SEEDS, EFFECTS = (30, 100, 500), (1, 3, 5), (0.0, 0.2)
COLUMNS = ("items", "seeds", "truth", "coverage", "false_alarms", "family_false_alarms", "width")


def main(argv: list[str]) -> None:
    """Simulate, print and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", 1)[0])
    parser.add_argument("--tables", type=int, default=2000, help="simulated ones of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("results/intervals.csv"))
    asked = parser.parse_args(argv)
    source, rows = np.random.default_rng(asked.seed), []
    for items, seeds, effect in itertools.product(ITEMS, SEEDS, EFFECTS):
        rows.append(simulated(source, items, seeds, effect, asked.tables))
        print("  ".join(f"{name} {value:.3g}" for name, value in rows[-1].items()), flush=True)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: f"{value:.4g}" for name, value in row.items()} for row in rows)
    print(f"written: {write_atomically(asked.out, text.getvalue())}")


def simulated(
    source: np.random.Generator, items: int, seeds: int, effect: float, tables: int
) -> dict[str, float]:
    """Shares of the tables whose interval holds the truth, and that call a difference. With one
    seed the truth is that of the models at hand, whatever luck they had."""
    luck = LUCK if seeds > 1 else 0.0
    spread = math.sqrt(1 + HARD**2 + luck**2)
    truth = float(norm.cdf((0.3 + effect) / spread) - norm.cdf(0.3 / spread))
    held = alarms = family = 0
    width = 0.0
    for _ in range(tables):
        ps = []
        baseline, hard = answers(source, items, seeds, luck, 0.3, None)
        for rival in range(RIVALS if effect == 0 else 1):
            other, _ = answers(source, items, seeds, luck, 0.3 + effect, hard)
            tables_of = [(o - b) / TASKS for o, b in zip(other, baseline, strict=True)]
            found = interval(tables_of, reach=[2 / TASKS] * TASKS)
            ps.append(found.p())
            if rival == 0:
                low, high = found.ends()
                held += low <= truth <= high
                alarms += ps[0] < LEVEL
                width += (high - low) / tables
        family += min(holm(ps)) < LEVEL
    none = effect != 0
    return {
        **{"items": items, "seeds": seeds, "truth": truth, "coverage": held / tables},
        "false_alarms": math.nan if none else alarms / tables,
        "family_false_alarms": math.nan if none else family / tables,
        "width": width,
    }


def answers(
    source: np.random.Generator,
    items: int,
    seeds: int,
    luck: float,
    mean: float,
    hard: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Right (1) and wrong (0) answers [task, seed, item] of a method, and how hard items are."""
    if hard is None:
        hard = HARD * source.standard_normal((TASKS, 1, items))
    ability = luck * source.standard_normal((TASKS, seeds, 1))
    chance = source.standard_normal((TASKS, seeds, items))
    return (mean + ability - hard + chance > 0).astype(float), hard


if __name__ == "__main__":
    run(main)
