"""The table of learning rates: which were tried for a method, on which split one was chosen.

Most gains over sequential fine-tuning vanish where its rate is searched as widely as the method's
own parameters, so a table that quotes a rate says how it came by it.
"""

import statistics
from collections import defaultdict
from collections.abc import Sequence

from harness.results.measures.continual import MEASURES
from harness.results.report.printing import DASH, Entry, Heading, Points, Table
from harness.results.report.tables import estimate_over_seeds
from harness.results.runs import Run
from harness.results.settings import differences, in_words
from harness.results.versions import mixed_versions

_RATE = "train.learning_rate"
_SPLIT = "eval.split"
_MEASURES = {"op": "OP", "learning_accuracy": "LA", "bwt": "BWT"}
_CAPTION = (
    "For every method that ran with more than one learning rate: the rates tried, and the one with "
    "the highest OP (mean over seeds) on the split named, which is eval wherever a run was scored "
    "there. OP, LA and BWT are those of that rate on the test split, times 100; ± is the standard "
    "deviation over seeds, or the item error of a single seed."
)
_LEAK = "A rate chosen on the test split makes the test scores of its row too high."

Tried = dict[float, list[Run]]  # rate -> its complete runs, one per seed


def rates_table(runs: Sequence[Run], digest: str) -> Table | None:
    """One row per method (model, sequence and further settings alike); None if no method has two
    rates."""
    alike: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in runs:
        if _rate(run) is not None and not run.missing():
            alike[run.model, run.sequence, run.method].append(run)
    found = {
        names: splits
        for (model, sequence, method), members in sorted(alike.items())
        for names, splits in (
            ((model, sequence, f"{method} ({rest})" if rest else method), splits)
            for rest, splits in _families(members)
        )
        if any(len(tried) > 1 for tried in splits.values())
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
    notes = (*notes, *mixed_versions(runs))
    return Table("Learning rates", headings, rows, _CAPTION, "rates", digest, notes)


def _row(splits: dict[str, Tried]) -> tuple[Entry, ...]:
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


def _families(runs: Sequence[Run]) -> list[tuple[str, dict[str, Tried]]]:
    """(what tells it from the other families, split -> rates) of runs whose settings are alike but
    for rate and split."""
    others = [{k: v for k, v in run.settings.items() if k not in (_RATE, _SPLIT)} for run in runs]
    families: dict[str, dict[str, Tried]] = defaultdict(dict)
    for run, rest in zip(runs, differences(others), strict=True):
        tried = families[in_words(rest)].setdefault(run.split or "test", {})
        tried.setdefault(float(run.settings[_RATE]), []).append(run)
    return sorted(families.items())


def _rate(run: Run) -> float | None:
    """The rate that a run's settings name."""
    rate = run.settings.get(_RATE)
    return float(rate) if isinstance(rate, int | float) else None
