"""The options that all benchmarks have, and what is wrong with those that were given."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Collection
from pathlib import Path

RESULTS = Path("results/bench")
DIVIDER = ";"  # names hold commas


def run(main: Callable[[list[str]], None]) -> None:
    """A script's main. A request to end is an exit, which takes passing folders and commands that
    run along."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    main(sys.argv[1:])


def parser_of(described: str | None) -> argparse.ArgumentParser:
    """A parser that has the common options. A script that has no use for one takes it all the same,
    so that all scripts can be given the same words."""
    trace, suites = os.environ.get("TRACE_DATA"), os.environ.get("SUITE_DATA")
    parser = argparse.ArgumentParser(description=(described or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--out", type=Path, help="the table's file (.csv), or its folder (results/bench)"
    )
    parser.add_argument(
        "--small", action="store_true", help="a trial, written to results/bench/small"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(trace) / "500" if trace else None,
        help="folder with TRACE's eight tasks ($TRACE_DATA/500); none = the embedded tasks",
    )
    parser.add_argument(
        "--suites",
        type=Path,
        default=Path(suites) if suites else None,
        help="folder that holds general/mmlu and so on ($SUITE_DATA)",
    )
    parser.add_argument("--place", type=Path, help="where models and stores lie; none = in passing")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser


def add_only(parser: argparse.ArgumentParser, names: Collection[str]) -> None:
    """--only, some of the names."""
    told = f"of {f'{DIVIDER} '.join(names)}, some, divided by {DIVIDER!r}; written only with --out"
    parser.add_argument("--only", default="", help=told)


def parsed(
    parser: argparse.ArgumentParser, argv: list[str], out: str, names: Collection[str] = ()
) -> argparse.Namespace:
    """The options; `only` as a list of names. `out` becomes the table's path, or None where a part
    of a table would replace a whole one. Ends the program, in a line, where an option is wrong."""
    asked = parser.parse_args(argv)
    if asked.rounds < 1:
        raise SystemExit(f"--rounds={asked.rounds}: at least 1")
    asked.only = only_of(getattr(asked, "only", ""), names)
    asked.out = out_of(asked, out)
    if asked.place:
        asked.place = asked.place.absolute()
        asked.place.mkdir(parents=True, exist_ok=True)
    return asked


def only_of(given: str, names: Collection[str]) -> list[str]:
    """The names of --only, each once; ends the program where one is not known."""
    found = list(dict.fromkeys(part.strip() for part in given.split(DIVIDER) if part.strip()))
    for name in found:
        if name not in names:
            known = f"{DIVIDER} ".join(names)
            raise SystemExit(f"--only={given}: {name!r} is not known; known are {known}")
    return found


def out_of(asked: argparse.Namespace, name: str) -> Path | None:
    """Where the table goes: a trial's beside the real ones, a part's only where --out says."""
    if asked.out is not None:
        return asked.out if asked.out.suffix == ".csv" else asked.out / name
    if asked.only:
        return None
    return (RESULTS / "small" if asked.small else RESULTS) / name
