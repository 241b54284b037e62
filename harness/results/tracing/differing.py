"""What differs between two runs of a store: columns, configuration, data, versions, scores."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.results.build import run_scores
from harness.results.configurations import configurations, differing
from harness.results.measures.continual import MEASURES
from harness.results.records import RunRecord
from harness.results.runs import Run, load_runs
from harness.results.tracing.behind import Node, node_of
from harness.store.scores import TARGET
from harness.store.store import Store

_COLUMNS = (
    "method",
    "model",
    "sequence",
    "data",
    "seed",
    "schedule",
    "protocol",
    "backend",
    "past",
)
_MEASURES = ("op", "learning_accuracy", "bwt", "forgetting")
Pair = tuple[Any, Any]  # of the first run and of the second; null = not there


@dataclass(frozen=True)
class Part:
    """What was compared under one name: how much is the same, and what is not. unknown: why there
    is nothing to say."""

    name: str
    same: int
    apart: Mapping[str, Pair] = field(default_factory=dict)
    unknown: str = ""


def differences(
    store: Store, first: RunRecord, second: RunRecord, every_stage: bool = False
) -> list[Part]:
    """Every part in which runs are compared; scores in 0..1, files by their sha256. every_stage:
    scores of all stages, else those of the last one."""
    nodes = [_nodes(store, record) for record in (first, second)]
    files = [dict(_files(found)) for found in nodes]
    return [
        _part("run", _columns(first), _columns(second)),
        _configuration(store, first, second),
        _part("data", *files, unknown="" if all(files) else "one run's manifests tell none"),
        _part("made with", *(_made_with(found) for found in nodes)),
        _part("stages", *(dict(_stages(record)) for record in (first, second))),
        _part("scores", *(_scores(store, record, every_stage) for record in (first, second))),
    ]


def _part(
    name: str, first: Mapping[str, Any], second: Mapping[str, Any], unknown: str = ""
) -> Part:
    names = dict.fromkeys([*first, *second])
    apart = {n: (first.get(n), second.get(n)) for n in names if first.get(n) != second.get(n)}
    return Part(name, len(names) - len(apart), apart, unknown)


def _columns(record: RunRecord) -> dict[str, Any]:
    about: dict[str, Any] = dict(record.run)
    return {name: about.get(name) for name in _COLUMNS} | {"tasks": ",".join(record.run["tasks"])}


def _configuration(store: Store, first: RunRecord, second: RunRecord) -> Part:
    """Of dotted keys. What a manifest tells is the configuration of the run that made the node."""
    flat, _ = configurations(store, [first, second])
    runs = [record.run["run"] for record in (first, second)]
    lacking = [run for run in runs if run not in flat]
    if lacking:
        return Part("configuration", 0, unknown=f"no node of run {lacking[0]} tells its own")
    one, other = (flat[run] for run in runs)
    apart = {name: (one.get(name), other.get(name)) for name in differing(flat)}
    return Part("configuration", len({*one, *other}) - len(apart), apart)


def _nodes(store: Store, record: RunRecord) -> list[Node]:
    names = [("train", told["key"]) for told in record.training]
    names += [(cell.kind, cell.key) for cell in record.cells]
    found = (node_of(store, kind, key) for kind, key in dict.fromkeys(names))
    return [node for node in found if node is not None]


def _files(nodes: list[Node]) -> Iterator[tuple[str, str]]:
    """(what was read, its sha256): what was trained on and what was scored."""
    for node in nodes:
        verb = "trained" if node.kind == "train" else "scored"
        for name, (_, sha256) in node.data.items():
            yield f"{verb} on {name}", sha256


def _made_with(nodes: list[Node]) -> dict[str, str]:
    """Every library with its versions, the harness and the machines among them."""
    found = dict[str, set[str]]()
    for node in nodes:
        told = {**node.versions, "trace-harness": node.harness_version, "machine": node.machine}
        for name, version in told.items():
            if version:
                found.setdefault(name, set()).add(str(version))
    return {name: ", ".join(sorted(versions)) for name, versions in sorted(found.items())}


def _stages(record: RunRecord) -> Iterator[tuple[str, str]]:
    yield from ((f"stage {told['stage']}", told["key"]) for told in record.training)


def _scores(store: Store, record: RunRecord, every_stage: bool) -> dict[str, float | None]:
    """Measures of a whole run, then headline scores by stage."""
    runs = load_runs(run_scores(store, record)[0])
    return dict(_of_run(runs[0], every_stage)) if runs else {}


def _of_run(run: Run, every_stage: bool) -> Iterator[tuple[str, float | None]]:
    matrix = run.matrix
    if not run.missing():
        yield from ((name, MEASURES[name].of(matrix).value) for name in _MEASURES)
    places = [(stage, i) for stage in range(matrix.size + 1) for i in range(matrix.size)]
    scored = [
        (f"{TARGET} {matrix.tasks[i]}", stage, matrix.values[stage][i]) for stage, i in places
    ]
    for item in run.benchmarks:
        ends = sorted(item.stages.items())
        scored += [(f"{item.suite} {item.name}", stage, score.value) for stage, score in ends]
    for name, stage, value in scored:
        if value is not None and (every_stage or run.last_stage in (None, stage)):
            yield (f"{name} at stage {stage}" if every_stage else name), value
