"""How often the intervals of `harness compare` hold the truth, where the truth is known.

`python scripts/simulate_intervals.py [--tables 2000] [--seed 0] [--out results/intervals.csv]`

Every world of `bench/worlds.py` is simulated with numbers of its own; what the file has already is
not simulated again, so that it may be stopped at any time (`--again` begins anew).
"""

import argparse
import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
from bench.options import run
from bench.worlds import TASKS, World, tables, worlds

from harness.results.comparing.crossed import interval
from harness.results.comparing.interval import LEVEL, Interval, holm
from harness.store.files import write_atomically
from harness.store.keys import digest

FOUND = (
    *("tables", "seed", "truth", "coverage", "false_alarms", "family_false_alarms"),
    *("width", "detectable", "power"),
)
COLUMNS = (*(part.name for part in fields(World)), *FOUND)
CHUNK = 1_000_000  # answers that are drawn at once

Row = dict[str, str]


def main(argv: list[str]) -> None:
    """Simulate, print and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", 1)[0])
    parser.add_argument("--tables", type=int, default=2000, help="simulated ones of each world")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("results/intervals.csv"))
    parser.add_argument("--again", action="store_true", help="what the file has as well")
    asked = parser.parse_args(argv)
    known = {} if asked.again or not asked.out.exists() else _read(asked.out)
    rows: list[Row] = []
    for world in worlds():
        row = known.get(tuple(_key(world, asked.tables, asked.seed).values()))
        if row is None:
            row = simulated(world, asked.tables, asked.seed)
            print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
            write_atomically(asked.out, _text([*rows, row]))
        rows.append(row)
    print(f"written: {write_atomically(asked.out, _text(rows))}")


def simulated(world: World, count: int, seed: int) -> Row:
    """A row: shares of the tables whose interval holds the truth, that call a difference where
    there is none, the first rival's or any, and that call one as large as is detectable."""
    # By its content, so that no world's numbers depend on the others.
    source = np.random.default_rng([seed, int(digest(asdict(world)), 16)])
    size = max(1, CHUNK // (world.items * world.seeds * TASKS))
    parts = [_chunk(source, world, min(size, count - start)) for start in range(0, count, size)]
    rivals = [np.concatenate(one, axis=-1) for one in zip(*parts, strict=True)]
    truths = [world.truth(world.effect)] * max(1, world.better) + [0.0] * world.rivals
    if world.rivals > 1 and not world.better:
        truths[0] = 0.0
    difference, low, high, detectable, p = rivals[0]
    null = [at for at in range(world.rivals) if truths[at] == 0 and world.of == "difference"]
    alarms = _family(np.array([one[4] for one in rivals]), null)
    # Where the truth is what such data can show, by variances as they are in the mean.
    reach = float(np.sqrt(np.mean(detectable**2)))
    half, rest = (high - low) / 2, difference - truths[0]
    found = {
        "truth": truths[0],
        "coverage": np.mean((low <= truths[0]) & (truths[0] <= high)),
        "false_alarms": np.mean(p < LEVEL) if null and null[0] == 0 else None,
        "family_false_alarms": np.mean(alarms) if world.rivals > 1 else None,
        "width": np.mean(high - low),
        "detectable": reach,
        "power": np.mean(np.abs(rest + reach) > half),
    }
    told = {name: "" if value is None else f"{value:.4g}" for name, value in found.items()}
    return _key(world, count, seed) | told


def _chunk(source: np.random.Generator, world: World, count: int) -> list[np.ndarray]:
    """Of each rival [difference, low, high, detectable, p] x tables."""
    made = [
        interval(contributions, reach=[world.reach] * TASKS)
        for contributions in tables(source, world, count)
    ]
    return [_numbers(found) for found in made]


def _numbers(found: Interval) -> np.ndarray:
    return np.array([found.difference, *found.ends(), found.detectable(), found.p()])


def _family(ps: np.ndarray, null: Sequence[int]) -> list[bool]:
    """Of ps [rival, table]: whether a rival is called that is no better."""
    return [any(np.array(holm(table))[null] < LEVEL) for table in ps.T]


def _key(world: World, count: int, seed: int) -> Row:
    told = asdict(world) | {"tables": count, "seed": seed}
    return {name: str(value) for name, value in told.items()}


def _read(path: Path) -> dict[tuple[str, ...], Row]:
    names = COLUMNS[: COLUMNS.index("truth")]
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {tuple(row.get(name, "") for name in names): row for row in rows}


def _text(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


if __name__ == "__main__":
    run(main)
