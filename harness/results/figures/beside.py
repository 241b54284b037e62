"""What a table of scores has beside headline scores, for figures: lenient scores, and how often
a judge took which answer."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.evaluation.judge.outcome import LOSE, TIE, WIN
from harness.results.columns import TableRow, is_done, is_target
from harness.results.runs import Run
from harness.results.schema import Scores
from harness.scorers.tasks import LENIENT
from harness.store.scores import JUDGE_RATE, TARGET

OUTCOMES = (WIN, TIE, LOSE)
Rates = dict[str, float]  # an outcome -> its share of the pairs


@dataclass(frozen=True)
class Beside:
    """By run, protocol and split: lenient scores by (stage, task); by run: the judge's rates by
    (stage, suite, benchmark)."""

    lenient: Mapping[tuple[str, str | None, str | None], Mapping[tuple[int, str], float]] = field(
        default_factory=dict
    )
    rates: Mapping[str, Mapping[tuple[int, str, str], Rates]] = field(default_factory=dict)

    @classmethod
    def of(cls, scores: Scores) -> "Beside":
        """What these rows have of it."""
        metrics = {_cell(row): row["metric"] for row in scores.rows if is_target(row)}
        lenient = defaultdict[tuple[str, str | None, str | None], dict[tuple[int, str], float]](
            dict
        )
        rates = defaultdict[str, dict[tuple[int, str, str], Rates]](lambda: defaultdict(dict))
        for row in scores.rows:
            value = row["value"]
            if not is_done(row) or value is None or row["subtask"] is not None:
                continue
            if row["unit"] == JUDGE_RATE and row["metric"] in OUTCOMES:
                place = row["stage"], row["suite"], row["benchmark"]
                rates[row["run"]][place][row["metric"]] = value
            elif row["suite"] == TARGET and row["metric"] == f"{metrics.get(_cell(row))}{LENIENT}":
                own = lenient[row["run"], row["protocol"], row["split"]]
                own[row["stage"], row["benchmark"]] = value
        return cls(lenient, rates)

    def lenient_score(self, run: Run, stage: int, task: str) -> float | None:
        """In 0..1, of what the run's strict scores are of; None where there is none."""
        return self.lenient.get((run.name, run.protocol, run.split), {}).get((stage, task))

    def judged(self, run: Run, suite: str) -> Rates | None:
        """Means over the suite's judged benchmarks of the last stage; None where there are none."""
        own = self.rates.get(run.name, {})
        found = [r for (stage, s, _), r in own.items() if (stage, s) == (run.last_stage, suite)]
        whole = [one for one in found if len(one) == len(OUTCOMES)]
        if not whole:
            return None
        return {name: sum(one[name] for one in whole) / len(whole) for name in OUTCOMES}

    def suites(self, run: Run) -> list[str]:
        """Those that a judge rated the run's answers to."""
        return list(dict.fromkeys(suite for _, suite, _ in self.rates.get(run.name, {})))


def _cell(row: TableRow) -> tuple[object, ...]:
    """Strict and lenient scores of one answer share it."""
    return tuple(row[key] for key in ("run", "stage", "benchmark", "protocol", "split", "filter"))
