"""The tidy table from records of runs and from nodes: rebuilt whole, never appended to."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from harness import __version__
from harness.errors import DAMAGED, DataError
from harness.models.folders import ADAPTER_WEIGHTS
from harness.models.weights.headers import stored_weights
from harness.results.columns import ROW_KEY, SCHEMA_VERSION, TableRow, problems
from harness.results.records import RunRecord, read_record, record_paths
from harness.results.schema import Scores
from harness.results.unscored import unscored
from harness.results.versions import Versions, told_versions
from harness.store.broken import Broken, all_broken
from harness.store.contents import Name
from harness.store.files import write_atomically
from harness.store.layout import DETAILS, MANIFEST, TRAINING
from harness.store.scores import (
    COST,
    COSTS,
    DONE,
    JUDGE_COSTS,
    Cost,
    RunColumns,
    ScoreRow,
)
from harness.store.status import Status
from harness.store.store import Store
from harness.store.work import Cell


class Rebuilt(NamedTuple):
    """The table's path, and a line per node whose scores it lacks since they cannot be right."""

    path: Path
    left_out: list[str]


def rebuild_table(store: Store, path: Path) -> Rebuilt:
    """Write the table of every recorded run; cells whose node is not done have no row, unless work
    that they hang on ended without a result.

    What is wrong in one run is left out and named, and stops no other run's rows.
    """
    rows: list[TableRow] = []
    left_out: dict[str, str] = {}
    broken = all_broken(store)
    for place in record_paths(store):
        try:
            record = read_record(place)
        except DataError as error:
            left_out[place.name] = f"left out of the table: {error}"
            continue
        rows += _of_record(store, record, left_out, broken)
    scores = _checked(rows, left_out)
    return Rebuilt(write_atomically(Path(path), scores.text()), list(left_out.values()))


def run_scores(store: Store, record: RunRecord) -> tuple[Scores, list[str]]:
    """The rows of one run, as the table has them, and a line per node that has none in it; no other
    run is read."""
    left_out: dict[str, str] = {}
    scores = _checked(_of_record(store, record, left_out, all_broken(store)), left_out)
    return scores, list(left_out.values())


def _of_record(
    store: Store, record: RunRecord, left_out: dict[str, str], broken: Mapping[Name, Broken]
) -> list[TableRow]:
    """The rows of a run; what is wrong with nodes that have none is added to `left_out`. broken:
    the work of the store that ended without a result."""
    rows: list[TableRow] = []
    lacking = unscored(store, record, broken)
    for cell in record.cells:
        try:
            found = list(_of_cell(store, record.run, cell))
            rows += found or _of_unscored(record.run, cell, lacking)
        except DAMAGED as error:
            left_out[cell.key] = _line(record.run, cell, _in_words(error))
    trained = defaultdict[int, list[str]](list)
    for one in record.training:
        trained[one["stage"]].append(one["key"])
    for stage, keys in trained.items():
        try:
            rows += list(_of_stage(store, record.run, stage, keys))
        except DAMAGED as error:
            left_out[keys[0]] = f"costs of train/{' and '.join(keys)}: {_in_words(error)}"
    return rows


def _checked(rows: list[TableRow], left_out: dict[str, str]) -> Scores:
    """Those rows that are rows of a table; what is wrong with others is added to `left_out`."""
    try:
        return Scores.of(rows)
    except (DataError, TypeError):  # columns that cannot be ordered
        return Scores.of(_fitting(rows, left_out))


def wrong_nodes(store: Store, run: RunColumns, cells: Sequence[Cell]) -> list[str]:
    """A line per node of these cells whose scores cannot be right, so that it counts as not done:
    which benchmark, which value, and what does it again."""
    found = {cell.key: (cell, _wrong(store, cell)) for cell in cells}
    return [_line(run, cell, wrong) for cell, wrong in found.values() if wrong]


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, DataError) else f"it cannot be read ({error!r})"


def _wrong(store: Store, cell: Cell) -> str | None:
    return store.wrong(cell.kind, cell.key, _unit(cell))


def _unit(cell: Cell) -> str | None:
    """Of its node's rows that tell none."""
    return None if cell.kind == "judge" else cell.unit


def _line(run: RunColumns, cell: Cell, problem: str) -> str:
    return (
        f"{cell.benchmark} at stage {cell.stage} of run {run['run']} ({run['method']} on "
        f"{run['sequence']}, seed {run['seed']}): {problem} ({cell.kind}/{cell.key}); it counts as "
        "not done, and the same command as before does it again"
    )


def _of_cell(store: Store, run: RunColumns, cell: Cell) -> Iterator[TableRow]:
    """The rows of a cell, none where its node is not there. Raises DataError where its scores
    cannot be right."""
    try:
        manifest = store.manifest(cell.kind, cell.key)
    except FileNotFoundError:
        return
    scores = store.scores(cell.kind, cell.key, _unit(cell))
    yield from score_rows(run, cell, scores, manifest["model"]["key"], told_versions(manifest))
    yield from _judge_costs(store, run, cell)


def _of_unscored(run: RunColumns, cell: Cell, lacking: Mapping[str, Status]) -> Iterator[TableRow]:
    """The row of a cell without a score, where it is known why there is none."""
    if cell.key in lacking:
        nothing = {"subtask": None, "metric": cell.headline, "filter": cell.filter}
        row = {**_of_place(run, cell), **nothing, "headline": True, "unit": cell.unit}
        yield {**row, "value": None, "status": lacking[cell.key].value, "model_key": None}


def _model_key(store: Store, cell: Cell) -> str:
    """The content key of the model that answered."""
    return store.manifest(cell.kind, cell.key)["model"]["key"]


def _fitting(rows: Iterable[TableRow], left_out: dict[str, str]) -> Iterator[TableRow]:
    """The rows that are rows of a table; what is wrong with the others is added to `left_out`."""
    seen: set[tuple[object, ...]] = set()
    for row in rows:
        place = tuple(row.get(name) for name in ROW_KEY)
        problem = next(problems(row), None)
        if problem is None and place in seen:
            problem = "a second row for one score"
        if problem is None:
            seen.add(place)
            yield row
        else:
            where = f"{row['benchmark']} at stage {row['stage']} of run {row['run']}"
            left_out[str(row["eval_key"])] = f"{where}: left out of the table, {problem}"


def score_rows(
    run: RunColumns,
    cell: Cell,
    scores: Iterable[ScoreRow],
    model_key: str,
    versions: Versions | None = None,
) -> Iterator[TableRow]:
    """The table's rows of one cell of a run, from the scores of its node, which these versions of
    libraries made."""
    for score in scores:
        wanted = None, cell.headline, cell.filter
        yield {
            **_of_place(run, cell),
            "floor": None,
            **score,
            "headline": (score["subtask"], score["metric"], score["filter"]) == wanted,
            "unit": score.get("unit", cell.unit),
            "status": DONE,
            "model_key": model_key,
            "versions": versions,
        }


def _of_place(run: RunColumns, cell: Cell) -> dict[str, object]:
    """What a row says of its cell."""
    return {
        **_of_run(run),
        "stage": cell.stage,
        "trained_task": cell.trained_task,
        "suite": cell.suite,
        "benchmark": cell.benchmark,
        "split": cell.split,
        "shots": cell.shots,
        "schema": SCHEMA_VERSION,
        "side": cell.side,
        "eval_key": cell.key,
        "harness_version": __version__,
    }


def _of_run(run: RunColumns) -> dict[str, object]:
    columns = {name: run.get(name) for name in RunColumns.__annotations__}
    return {**columns, "data": run.get("data") or None, "tasks": "|".join(run["tasks"])}


def _is_beside(name: str) -> bool:
    """Does a file hold weights that stand beside a model's?"""
    return name == ADAPTER_WEIGHTS or name.startswith("strategy_")


def _of_stage(store: Store, run: RunColumns, stage: int, keys: Sequence[str]) -> Iterator[TableRow]:
    """What training a stage cost, all of its nodes together: those of a soup of learning rates are
    several, of which the run's own is the first. Nothing while one is not there."""
    if not all((store.path("train", key) / MANIFEST).is_file() for key in keys):
        return
    costs = [_training_cost(store, key) for key in keys]
    about = {
        "stage": stage,
        "trained_task": run["tasks"][stage - 1] if run["schedule"] != "joint" else None,
        "benchmark": "training",
        "subtask": None,
        "split": "train",
        "shots": 0,
        "model_key": keys[0],
        "eval_key": None,
        "versions": told_versions(store.manifest("train", keys[0])),
    }
    for kind in COSTS:
        found = [cost[kind.name] for cost in costs if kind.name in cost]
        if found:
            yield _cost(run, about, kind.name, kind.of_run(found), kind)


def _training_cost(store: Store, key: str) -> dict[str, float]:
    """What one node cost. Extra parameters: values stored beside the model, those of an adapter
    and what the strategies hand on."""
    folder = store.path("train", key)
    cost = store.read("train", key, TRAINING).get("cost", {})
    beside = [path for path in folder.glob("*.safetensors") if _is_beside(path.name)]
    dropped = store.dropped("train", key)
    gone = (dropped[name] for name in dropped if _is_beside(name))
    extra = sum(stored_weights(path) for path in beside if path.name not in dropped) + sum(gone)
    return {**cost, "extra_parameters": extra}


def _judge_costs(store: Store, run: RunColumns, cell: Cell) -> Iterator[TableRow]:
    """What judging a benchmark cost, as its subtask; no price where none is configured."""
    if cell.kind != "judge":
        return
    details = store.read("judge", cell.key, DETAILS)
    about = {
        "stage": cell.stage,
        "trained_task": cell.trained_task,
        "split": cell.split,
        "shots": cell.shots,
        "benchmark": "judge",
        "subtask": f"{cell.suite}/{cell.benchmark}",
        "model_key": _model_key(store, cell),
        "eval_key": cell.key,
    }
    for kind in JUDGE_COSTS:
        if details[kind.name] is not None:
            yield _cost(run, about, f"judge_{kind.name}", details[kind.name], kind)


def _cost(
    run: RunColumns, about: dict[str, object], metric: str, value: float, kind: Cost
) -> TableRow:
    return {
        **_of_run(run),
        **about,
        "suite": COST,
        "metric": metric,
        "filter": "none",
        "value": value,
        "stderr": None,
        "n": None,
        "higher_is_better": False,
        "headline": False,
        "unit": kind.unit,
        "status": DONE,
        "schema": SCHEMA_VERSION,
        "side": None,
        "harness_version": __version__,
    }
