"""The trust line of a table: what is known of the numbers above it, and what nobody checked."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from harness.errors import DAMAGED, DataError
from harness.results.groups import Group
from harness.results.measures.continual import MEASURES
from harness.results.paper.ours import Ours
from harness.results.paper.published import PACKAGE, read_published
from harness.results.paper.tables import NOT_RUN, calibration
from harness.results.report.printing import Table
from harness.results.runs import Run
from harness.results.tracing.judging import Swaps, disagreement, swaps_of
from harness.results.tracing.sources import Origin, Read, files_of, leaked, origin, pairs
from harness.results.whose import plain_method
from harness.store.files import regular_text
from harness.store.store import Store

EQUIVALENCE = "equivalence.csv"  # in a folder of results
UNCHECKED = "not checked"
_MATCHED = 1.01  # the largest budget over the smallest, up to which they count as the same
_BUDGET = {"optimizer_steps": "steps", "trained_tokens": "tokens", "stored_examples": "stored rows"}
_STATUSES = ("equal", "different", "failed", "refused")  # of a cell of the equivalence matrix
Matrix = dict[tuple[str, str], list[tuple[float, str]]]


def trust_line(groups: Sequence[Group], store: Store | None, results: Path | None = None) -> str:
    """What is known of the runs of a table, in one line. store: theirs, null where there is none;
    results: the folder whose equivalence matrix counts, else the one that the package ships."""
    return Trust(store, results).line(groups)


@dataclass(frozen=True)
class Trust:
    """What makes trust lines: the store of the runs, and the folder of results (both may be
    null)."""

    store: Store | None
    results: Path | None = None

    def below(self, table: Table, groups: Sequence[Group]) -> Table:
        """A table of these groups with its line as the last note."""
        return replace(table, notes=(*table.notes, self.line(groups)))

    def line(self, groups: Sequence[Group]) -> str:
        """Of a table of these groups."""
        runs = [run for group in groups for run in group.runs]
        if not runs:
            return f"Trust. {UNCHECKED.capitalize()}: there is no complete run."
        parts = (
            f"Equivalence with plain PyTorch: {self._equivalence(groups)}",
            *self._data(runs),
            f"Stage-0 calibration: {_calibrated(runs)}",
            f"Item noise of OP: {_noise(runs)}",
            f"Budgets: {_budgets(groups)}",
            f"Judge: {self._judged(runs)}",
        )
        return f"Trust. {'. '.join(parts)}."

    @cached_property
    def _matrix(self) -> "Matrix | None":
        """Of the folder of results, where it has one, whole or not at all; else the shipped one.
        None where it cannot be read."""
        shipped = [PACKAGE / EQUIVALENCE, PACKAGE.parent / "results" / EQUIVALENCE]
        own = [self.results / EQUIVALENCE] if self.results else []
        path = next(filter(Path.exists, [*own, *shipped]), None)
        try:
            return _read_matrix(path) if path else {}
        except (*DAMAGED, csv.Error):
            return None

    def _equivalence(self, groups: Sequence[Group]) -> str:
        """By what of the method each group is: its cells of the matrix, of ZeRO 0 to 3."""
        if self._matrix is None:
            return f"{UNCHECKED} ({EQUIVALENCE} cannot be read)"
        equal, differs, unknown, untrained = dict[str, float](), list[str](), list[str](), []
        for group in groups:
            if not group.runs:
                continue
            name = plain_method(group.method)
            cells = [cell for cell in self._cells(name) if cell[1] != "refused"]
            if group.runs[0].matrix.schedule == "none":
                untrained.append(name)
            elif not cells:
                unknown.append(name)
            elif all(status == "equal" for _, status in cells):
                equal[name] = max(difference for difference, _ in cells)
            else:
                differs.append(name)
        worst = f" (weights differ by at most {max(equal.values()):.1e})" if equal else ""
        told = {
            f"equal{worst}": equal,
            "DIFFERENT": differs,
            UNCHECKED: unknown,
            "trained on nothing": untrained,
        }
        return ", ".join(
            f"{', '.join(dict.fromkeys(names))} {what}" for what, names in told.items() if names
        )

    def _cells(self, method: str) -> list[tuple[float, str]]:
        """The preset of an adapter on plain fine-tuning is `seqft` with one."""
        matrix = self._matrix or {}
        if method == "lora_seqft":
            return matrix.get(("seqft", "lora"), [])
        name = method.replace("+", "_")
        return [c for (own, _), cells in matrix.items() if own == name for c in cells]

    def _data(self, runs: Sequence[Run]) -> Iterator[str]:
        files = {file for run in runs for file in self._files(run)}
        if not files:
            yield f"Data: {UNCHECKED}"
            yield f"Leaks between splits: {UNCHECKED}"
            return
        origins = [origin(file) for file in files]
        counts = ((kind, origins.count(kind)) for kind in Origin if kind in origins)
        yield f"Data: {', '.join(f'{count} files {kind}' for kind, count in counts)}"
        shared = [(test.path, leaked(train, test)) for train, test in pairs(files)]
        yield f"Leaks between splits: {_leaks(shared)}"

    def _files(self, run: Run) -> set[Read]:
        if self.store is None:
            return set()
        if run.name not in self._read:
            self._read[run.name] = files_of(self.store, run)
        return self._read[run.name]

    def _judged(self, runs: Sequence[Run]) -> str:
        """Of the same answers: in both orders, and of one model against itself (A/A)."""
        if not any(run.judged for run in runs):
            return "none"
        swaps = {key: found for run in runs for key, found in self._swaps(run).items()}
        return ", ".join(filter(None, (disagreement(swaps), _chance(runs) or "no A/A")))

    def _swaps(self, run: Run) -> Swaps:
        if self.store is None:
            return {}
        if run.name not in self._asked:
            self._asked[run.name] = swaps_of(self.store, run)
        return self._asked[run.name]

    @cached_property
    def _asked(self) -> dict[str, Swaps]:
        """Run -> what its judge said in both orders."""
        return {}

    @cached_property
    def _read(self) -> dict[str, set[Read]]:
        """Run -> its files: most runs stand in several tables."""
        return {}


def _read_matrix(path: Path) -> Matrix:
    """(method, full or lora) -> (largest difference, status) of its cells. Raises one of DAMAGED,
    or csv.Error."""
    found = Matrix()
    for row in csv.DictReader(io.StringIO(regular_text(path)), strict=True):
        cell = float(row["max_diff"] or 0.0), row["status"]
        if not (row["method"] and row["adapter"] and row["status"] in _STATUSES) or None in row:
            raise ValueError("a line is cut short, or too long")
        found.setdefault((row["method"], row["adapter"]), []).append(cell)
    if not found:
        raise ValueError("no lines")
    return found


def _leaks(found: Sequence[tuple[str, int | None]]) -> str:
    """found: (file that was scored, its rows that are in train; null = not known) by task."""
    known = {path: rows for path, rows in found if rows is not None}
    if not known:
        return UNCHECKED
    leaking = [f"{rows} rows of {Path(path).parent.name}" for path, rows in known.items() if rows]
    rest = f", {len(found) - len(known)} {UNCHECKED}" if len(known) < len(found) else ""
    if not leaking:
        return f"none in {len(known)} tasks{rest}"
    return f"scored prompts that are in train as well: {', '.join(leaking)}{rest}"


def _calibrated(runs: Sequence[Run]) -> str:
    """Scores of the initial models beside the published ones, where both are there."""
    try:
        rows = calibration(read_published(), Ours(tuple(runs), ()), "").rows
    except DataError:
        return UNCHECKED
    verdicts = [str(row[5]) for row in rows if row[5] != NOT_RUN]
    if not verdicts:
        return f"{UNCHECKED} (no published score of these models under this protocol)"
    close = sum(verdict == "comparable" for verdict in verdicts)
    return f"{close} of {len(verdicts)} scores within 2 points of the published ones"


def _noise(runs: Sequence[Run]) -> str:
    errors = [MEASURES["op"].of(run.matrix).item_error for run in runs]
    known = [100 * error for error in errors if error is not None]
    if not known:
        return UNCHECKED
    return _range(known, "{:.1f}") + " points"


def _budgets(groups: Sequence[Group]) -> str:
    """Do all groups that train spend the same?"""
    told, apart = list[str](), False
    for name, title in _BUDGET.items():
        spent = [run.costs[name] for group in groups for run in group.runs if name in run.costs]
        if not spent:
            continue
        apart = apart or max(spent) > _MATCHED * min(spent)
        told.append(f"{title} {_range(spent, '{:.0f}')}")
    if not told:
        return UNCHECKED
    if sum(bool(group.runs and group.runs[0].costs) for group in groups) < 2:
        return f"one method that trains, {', '.join(told)}"
    return f"{'not ' if apart else ''}matched, {', '.join(told)}"


def _range(values: Sequence[float], form: str) -> str:
    low, high = (form.format(end(values)) for end in (min, max))
    return low if low == high else f"{low} to {high}"


def _chance(runs: Sequence[Run]) -> str | None:
    """What a judge makes of the initial model against another sample of its own answers."""
    found = [item.at(0).value for run in runs for item in run.judged]
    known = [100 * value for value in found if value is not None]
    return f"net win of A/A {_range(known, '{:+.1f}')} points" if known else None
