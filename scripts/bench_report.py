"""How fast the report is: written, opened and filtered in Chromium.

`python scripts/bench_report.py [--predictions 100000] [--items 500] [--rounds 5]`

The store is fabricated (`scripts/bench/fabricated.py`): runs on TRACE's eight tasks, with texts as
long as theirs; --place keeps it. Opening is from the call to the second frame after the page has
loaded. A filter is measured by the page itself, from the change to the frame that shows it; a first
search has to unpack the texts, which is told apart. Changes add up: the second filter keeps the
first.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.chromium import Tab, chromium, found
from bench.fabricated import TASKS, Fabricated

_UNPACKED = "unpacked(predictions.blocks).then(() => null)"
# A change of the filters, in the page's words.
CHANGES = {
    "answers that were lost": "byId('state').value = 'lost'",
    "one run": "byId('run').value = '1'",
    "one task of it": "byId('task').value = 'target: MeetingBank'",
    "no filter": "byId('filters').reset()",
    "a frequent word": "byId('search').value = 'e'",
    "a rare word": "byId('search').value = 'etaoin shrdlu'",
}


def main(argv: list[str]) -> int:
    """Print a line for each figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--predictions", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=500, help="of a task (500)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--place", type=Path, help="where the store lies; none = in passing")
    asked = parser.parse_args(argv)
    program = found()
    if program is None:
        raise SystemExit("no Chromium is installed here")
    with tempfile.TemporaryDirectory() as passing:
        place = asked.place or Path(passing)
        page = write(place, asked.predictions, asked.items)
        with chromium(program) as tab:
            tab.size(1280, 900)
            measure(tab, page.absolute().as_uri(), asked.rounds)
    return 0


def write(place: Path, predictions: int, items: int) -> Path:
    """Fabricate a store, unless it is there, and write its report."""
    from harness.cli.report import main as report

    cells = len(TASKS) * (len(TASKS) + 3) // 2
    if not (place / "scores.csv").is_file():
        Fabricated(place, runs=-(-predictions // (cells * items)), items=items)
    out = place / "report.html"
    places = [f"--scores={place / 'scores.csv'}", f"--store={place / 'store'}", f"--out={out}"]
    started = time.monotonic()
    report([*places, f"--predictions={predictions}"])
    print(f"written in {time.monotonic() - started:.1f} s")
    return out


def measure(tab: Tab, address: str, rounds: int) -> None:
    """Open the page several times, and filter in the last one."""
    opened = [tab.open(address) for _ in range(rounds)]
    print(f"opened in {median(opened):.2f} s (median of {rounds}; the most {max(opened):.2f} s)")
    tab.run("location.hash = '#predictions'")
    started = time.monotonic()
    tab.run(_UNPACKED)
    print(f"all texts unpacked in {time.monotonic() - started:.2f} s")
    for name, change in CHANGES.items():
        taken = [filtered(tab, change) for _ in range(rounds)]
        shown = tab.run("byId('count').textContent")
        print(f"filter by {name}: {median(taken):.0f} ms, the most {max(taken):.0f} ms ({shown})")
    print(f"complaints of the page: {len(tab.errors)}")


def filtered(tab: Tab, change: str) -> float:
    """Milliseconds from a change of the filters to the frame that shows it."""
    painted = "new Promise(r => requestAnimationFrame(() => setTimeout(r)))"
    script = (
        f"(async () => {{ const t = performance.now(); {change}; await filter(); await {painted}; "
    )
    return tab.run(script + "return performance.now() - t; })()")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
