"""A traced cell as text: its value, run after run, and what stands behind each score of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from harness.results.columns import TableRow
from harness.results.measures.continual import Estimate
from harness.results.report.printing import Points
from harness.results.runs import Run, error_of
from harness.results.schema import Scores
from harness.results.settings import in_words
from harness.results.tracing.behind import Node, node_of, nodes_of, record_of_run, row_of, stages_of
from harness.results.tracing.quantities import Part, Quantity
from harness.store.layout import MANIFEST
from harness.store.scores import COST
from harness.store.store import Store

HASH = 12  # hex digits of a sha256 that are shown


@dataclass(frozen=True)
class Traced:
    """Lines on one run: what it is, and rows (head first) of its scores."""

    about: list[str]
    rows: list[tuple[str, ...]]
    below: list[str]


def headline(quantity: Quantity, label: str, runs: Sequence[Run]) -> str:
    """The cell's value, as the mean over its runs."""
    found = [quantity.of(run) for run in runs]
    values = [estimate.value for estimate in found if estimate.value is not None]
    whole = len(values) == len(found)
    single = found[0].item_error if len(found) == 1 else None
    mean = _text(quantity, Estimate(fmean(values) if whole else None, single))
    over = f", mean over {len(runs)} runs" if len(runs) > 1 else ""
    return f"{quantity.title} of {label}: {mean}{over} ({quantity.formula})"


def traced(quantity: Quantity, run: Run, scores: Scores, store: Store | None) -> Traced:
    """All that is known of a run's part in a cell. store: null where there is none."""
    parts = [(part, row_of(scores, run, part)) for part in quantity.parts(run)]
    parts = [(part, row) for part, row in parts if row is not None or part.suite != COST]
    rows = [row for _, row in parts if row is not None]
    nodes = nodes_of(store, rows) if store else {}
    trained = _trained(store, run, max((part.stage for part, _ in parts), default=0))
    read = [*trained, *nodes.values()]
    return Traced(
        [_of_run(quantity, run), *_configuration(run, store)],
        [_HEAD, *(_line(part, row, nodes) for part, row in parts)] if parts else [],
        [*_stages(store, trained), *_data(read), *_versions(run, read), *_files(store, nodes)],
    )


_HEAD = ("stage", "suite", "benchmark", "weight", "score", "items", "scored by", "model")


def _line(part: Part, row: TableRow | None, nodes: dict[str, Node]) -> tuple[str, ...]:
    place = (str(part.stage), part.suite, part.benchmark, f"{part.weight:+.4g}")
    if row is None:
        return (*place, "-", "-", "-", "-")
    key = row["eval_key"]
    if part.suite == COST:
        value, made = f"{row['value']:g}", f"train/{row['model_key']}"
        return (*place, value, "-", made, str(row["model_key"] or "-"))
    points = row["value"] if part.unit != "score" else _points(row)
    scored = (
        "-" if key is None else nodes[key].name if key in nodes else f"{key} (not in the store)"
    )
    items = "-" if row["n"] is None else str(row["n"])
    return (*place, str(points), items, scored, str(row["model_key"] or "-"))


def _points(row: TableRow) -> Points:
    return Points(*(None if x is None else 100 * x for x in (row["value"], error_of(row))))


def _of_run(quantity: Quantity, run: Run) -> str:
    about = [f"{run.method} on {run.sequence}", f"model {run.model}"]
    about += [f"seed {run.seed}"] if run.seed is not None else []
    about += [f"protocol {run.protocol}"] if run.protocol else []
    about += [f"data {run.data}"] if run.data else []
    return f"run {run.name}: {_text(quantity, quantity.of(run))}; {', '.join(about)}"


def _text(quantity: Quantity, estimate: Estimate) -> str:
    if quantity.scale == 1.0 and estimate.value is not None:
        return f"{estimate.value:g}"
    scaled = (
        None if x is None else quantity.scale * x for x in (estimate.value, estimate.item_error)
    )
    return str(Points(*scaled))


def _configuration(run: Run, store: Store | None) -> Iterator[str]:
    if run.settings:
        yield f"settings: {in_words(run.settings)}"
    record = record_of_run(store, run.name) if store else None
    yield f"record: {record}" if record else "record: none in the store"


def _trained(store: Store | None, run: Run, last: int) -> list[Node]:
    """The stages that the model of the last one is made of, as far as they are there."""
    stages = stages_of(store, run, last) if store else []
    return [node for _, key in stages if store and (node := node_of(store, "train", key))]


def _stages(store: Store | None, trained: Sequence[Node]) -> Iterator[str]:
    if trained and store is not None:
        yield f"stages trained: {', '.join(node.name for node in trained)}"
        yield f"configuration: {store.path('train', trained[-1].key) / MANIFEST}"


def _data(nodes: Sequence[Node]) -> Iterator[str]:
    """The files that were trained on and scored, with their hashes, a line for each folder."""
    files = dict[Path, dict[str, str]]()
    for path, sha256 in (pair for node in nodes for pair in node.data.values()):
        files.setdefault(Path(path).parent, {})[Path(path).name] = sha256[:HASH]
    for folder, named in files.items():
        yield f"data {folder}: {', '.join(f'{name} sha256 {sha}' for name, sha in named.items())}"


def _versions(run: Run, nodes: Sequence[Node]) -> Iterator[str]:
    told = {pair for node in nodes for pair in node.versions.items()} or set(run.versions)
    ours = sorted({node.harness_version for node in nodes if node.harness_version})
    listed = [f"trace-harness {version}" for version in ours]
    listed += [f"{name} {version}" for name, version in sorted(told)]
    machines = sorted({node.machine for node in nodes if node.machine})
    on = f"; on {', '.join(machines)}" if machines else ""
    yield f"versions: {', '.join(listed) or 'not told'}{on}"


def _files(store: Store | None, nodes: dict[str, Node]) -> Iterator[str]:
    """Where predictions are."""
    there = [node for node in nodes.values() if node.predictions]
    if store is None:
        yield "predictions: not known, there is no store here"
    elif there:
        missing = len(nodes) - len(there)
        less = f" ({missing} lack them)" if missing else ""
        yield f"predictions: {store.root}/<scored by>/predictions.jsonl{less}"
    elif nodes:
        yield "predictions: none are kept"
