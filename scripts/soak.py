"""A sweep that is killed and disturbed until it is done all the same, beside one that was not.

`python scripts/soak.py [--small] [--kills N] [--minutes N] [--seed N] [--place DIR] [--out FILE]`

Killed itself, the same command goes on. It exits with 1 where anything differs, a process lives on
or an error is not told in a line.
"""

import argparse
import json
import math
import sys
import time
from pathlib import Path

from bench.options import run
from soaking.campaign import Campaign
from soaking.report import write
from soaking.sweep import full_sweep, small_sweep

from harness.store.files import write_json

RESULTS = Path("results")


def main(argv: list[str]) -> None:
    """Soak, and write the report."""
    asked = _asked(argv)
    sweep = small_sweep(asked.kills) if asked.small else full_sweep(asked.kills)
    _require_same(asked)
    campaigns = list[Campaign]()
    for number, zero in enumerate(sweep.zeros):
        minutes = asked.minutes / len(sweep.zeros)
        tell = _Progress(len(sweep.zeros) - number - 1)
        campaigns.append(
            Campaign(sweep, zero, asked.place / f"zero{zero}", asked.seed, minutes, tell)
        )
        campaigns[-1].run()
        write(asked.out, sweep, asked.seed, [campaign.record for campaign in campaigns])
    print(f"written: {asked.out}")
    results = [campaign.record.result for campaign in campaigns]
    # Quiet, and all that was wanted has happened: else nothing is proved.
    sys.exit(any(one.different or one.complaints or not one.done for one in results))


def _asked(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", 1)[0])
    parser.add_argument("--small", action="store_true", help="a trial of a few minutes")
    parser.add_argument("--kills", type=int, help="in all (102; a trial: 12)")
    told = "nothing new happens to disturbed sweeps after so many in all"
    parser.add_argument("--minutes", type=float, default=math.inf, help=told)
    parser.add_argument("--seed", type=int, default=0, help="of what happens (0)")
    parser.add_argument("--place", type=Path, help="stores and what happened (results/soak)")
    parser.add_argument("--out", type=Path, help="the report (results/soak.md)")
    asked = parser.parse_args(argv)
    asked.kills = asked.kills or (12 if asked.small else 102)
    asked.place = (asked.place or RESULTS / ("soak_small" if asked.small else "soak")).absolute()
    asked.out = asked.out or (asked.place / "soak.md" if asked.small else RESULTS / "soak.md")
    return asked


def _require_same(asked: argparse.Namespace) -> None:
    """What happened under other words is another campaign's. Ends the program in a line."""
    about = {"small": asked.small, "seed": asked.seed, "kills": asked.kills}
    file = asked.place / "soak.json"
    if not file.is_file():
        write_json(file, about)
    elif (told := json.loads(file.read_text())) != about:
        raise SystemExit(f"{asked.place}: begun with {told}; go on with that, or remove the folder")


class _Progress:
    """Prints what happens, and when all will have. later: ZeRO stages behind this one."""

    def __init__(self, later: int) -> None:
        self.later, self.began, self.count = later, time.monotonic(), 0

    def __call__(self, line: str, left: int) -> None:
        self.count += 1
        each = (time.monotonic() - self.began) / self.count
        left += self.later * (left + self.count)
        print(f"{line} (about {each * left / 60:.0f} minutes left)", flush=True)


if __name__ == "__main__":
    run(main)
