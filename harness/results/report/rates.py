"""The table of learning rates: which were tried for a method, on which split one was chosen.

Most gains over sequential fine-tuning vanish where its rate is searched as widely as the method's
own parameters, so a table that quotes a rate says how it came by it.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence

from harness.results.measures.continual import MEASURES
from harness.results.report.printing import DASH, Entry, Heading, Points, Table
from harness.results.report.tables import estimate_over_seeds
from harness.results.runs import Run

_RATE = "train.learning_rate="
_SPLIT = "eval.split="
_MEASURES = {"op": "OP", "learning_accuracy": "LA", "bwt": "BWT"}
_CAPTION = (
    "For every method that ran with more than one learning rate: the rates tried, and the one with "
    "the highest OP (mean over seeds) on the split named, which is eval wherever a run was scored "
    "there. OP, LA and BWT are those of that rate on the test split, times 100; ± is the standard "
    "deviation over seeds, or the item error of a single seed."
)
_LEAK = "A rate chosen on the test split makes the test scores of its row too high."

Setting = dict[float, list[Run]]  # rate -> its complete runs, one a seed


def rates_table(runs: Sequence[Run], digest: str) -> Table | None:
    """One row a method (model, sequence and further settings alike); None if no method has two
    rates."""
    families: dict[tuple[str, ...], dict[str, Setting]] = defaultdict(dict)
    for run in runs:
        rate, rest = _rate_of(run)
        if rate is not None and not run.missing():
            name = f"{run.method} ({rest})" if rest else run.method
            splits = families[run.model, run.sequence, name]
            splits.setdefault(run.split or "test", {}).setdefault(rate, []).append(run)
    found = {
        names: splits
        for names, splits in sorted(families.items())
        if any(len(setting) > 1 for setting in splits.values())
    }
    if not found:
        return None
    headings = (
        *(Heading(name.capitalize(), name) for name in ("model", "sequence", "method")),
        Heading("Rates tried", "rates"),
        Heading("Chosen on", "split"),
        Heading("Rate", "rate", numeric=True),
        *(Heading(title, name, True, True) for name, title in _MEASURES.items()),
        Heading("Seeds", "seeds", numeric=True),
    )
    rows = tuple((*names, *_row(splits)) for names, splits in found.items())
    notes = (_LEAK,) if any(row[4] == "test" for row in rows) else ()
    return Table("Learning rates", headings, rows, _CAPTION, "rates", digest, notes)


def _row(splits: dict[str, Setting]) -> tuple[Entry, ...]:
    split = "eval" if len(splits.get("eval", {})) > 1 else "test"
    tried = splits[split]
    rate = max(sorted(tried), key=lambda rate: _overall(tried[rate]))
    tested = splits.get("test", {}).get(rate, [])
    values = [
        estimate_over_seeds([MEASURES[name].of(run.matrix) for run in tested])
        if tested
        else Points(None)
        for name in _MEASURES
    ]
    listed = ", ".join(f"{value:g}" for value in sorted(tried))
    return listed, split, f"{rate:g}", *values, len(tested) or DASH


def _overall(runs: Sequence[Run]) -> float:
    """Mean OP over seeds; a run without OP is never the best."""
    values = [MEASURES["op"].of(run.matrix).value for run in runs]
    return statistics.fmean(values) if None not in values else -1.0


def _rate_of(run: Run) -> tuple[float | None, str]:
    """The rate that a run's settings name, and its other settings."""
    rate, rest = None, []
    for word in (run.variant or "").split():
        if word.startswith(_RATE):
            rate = float(word.removeprefix(_RATE))
        elif not word.startswith(_SPLIT):
            rest.append(word)
    return rate, " ".join(rest)
