"""Weights that a store lets go: when every reader of them is done, and never while another run
that is not finished needs them (`harness.run.readers`). Manifests, hashes and logs stay.

A node without weights says so in a file of its own, which is written first. So a process that is
killed while files go leaves either all of them or a node that is known to lack them.
"""

from collections.abc import Iterable
from pathlib import Path

from harness.config import StoreConfig
from harness.models.weights.headers import stored_weights
from harness.run.readers import Name, Unfinished, unfinished_runs
from harness.store.durable import sync_folder
from harness.store.files import write_json
from harness.store.layout import DROPPED, MANIFEST
from harness.store.store import Store
from harness.store.work import EditWork, Plan, TrainWork, Work

WEIGHTS = ".safetensors"
FORGET_DAYS = StoreConfig.forget_days


def holds_weights(work: Work) -> bool:
    """Is what this work makes a model?"""
    return isinstance(work, TrainWork | EditWork)


def kept_stages(keep: str | list[int], plan: Plan) -> set[int]:
    """The stages of a plan whose weights stay, by `store.keep`."""
    return kept_of(keep, {node.stage for node in plan.nodes if holds_weights(node)})


def kept_of(keep: str | list[int], stages: set[int]) -> set[int]:
    """Those of some stages whose weights stay, by `store.keep`."""
    if isinstance(keep, list):
        return stages & set(keep)
    return {"all": stages, "ends": {max(stages, default=0)}, "none": set()}[keep]


def tidy(
    store: Store,
    plan: Plan,
    keep: str | list[int],
    held: Iterable[Name] = (),
    forget_days: float | None = FORGET_DAYS,
) -> list[str]:
    """Drop the weights of a plan's stages that are not kept and that no work still to do reads.

    held: nodes whose locks this process has; the others' are taken, and those that somebody works
    on are left. forget_days: as `store.forget_days`. Returns the keys of what was dropped.
    """
    there = _to_go(store, plan, keep)
    runs = unfinished_runs(store) if there else []
    ours, gone = set(held), list[str]()
    for node in there:
        name = (node.kind, node.key)
        if needed(runs, name, forget_days) or not store.done(*name):
            continue
        if drop(store, name, forget_days, locked=name in ours):
            gone.append(node.key)
    return gone


def stays_for(
    store: Store, plan: Plan, keep: str | list[int], forget_days: float | None = FORGET_DAYS
) -> list[str]:
    """Why weights of a plan's stages that are not to be kept are there all the same, a line for
    each run that is in the way."""
    there = _to_go(store, plan, keep)
    lines = []
    for run in unfinished_runs(store) if there else []:
        held = [node for node in there if needed([run], (node.kind, node.key), forget_days)]
        stages = ", ".join(str(stage) for stage in sorted({node.stage for node in held}))
        older = "does not say what it reads, as it is of an earlier version"
        reads = older if run.reads is None else "reads them"
        if held:
            lines.append(
                f"store.keep={keep}: weights of stages {stages} stay, as {run.name} {reads} "
                f"({run.state}); finish it, or `python -m harness store forget {run.run}`"
            )
    return lines


def drop(store: Store, name: Name, forget_days: float | None, locked: bool = False) -> bool:
    """Remove the weights of a node, unless a run that counts wants them or somebody works on it.
    locked: this process has its lock. Returns whether they are gone."""
    if locked:
        return bool(_drop(store, [name], forget_days))
    return bool(drop_all(store, [name], forget_days))


def drop_all(store: Store, names: list[Name], forget_days: float | None) -> list[Name]:
    """The same of several nodes, for which runs are looked at once; returns those whose weights are
    gone."""
    with store.locks(names) as taken:
        return _drop(store, taken.nodes, forget_days)


def _drop(store: Store, names: list[Name], forget_days: float | None) -> list[Name]:
    """Say that the weights are gone, look once more whether a run that started meanwhile wants
    them, and remove them."""
    fresh = [name for name in names if not (store.path(*name) / DROPPED).is_file()]
    for name, held in [(name, _held(store, name)) for name in fresh]:
        write_json(store.path(*name) / DROPPED, held)
        sync_folder(store.path(*name))  # or power that is lost might take the note and the weights
    runs = unfinished_runs(store) if fresh else []
    wanted = {name for name in fresh if needed(runs, name, forget_days)}
    for name in wanted:
        (store.path(*name) / DROPPED).unlink()
    gone = [name for name in names if name not in wanted]
    for name in gone:
        for path in weights(store, name):
            path.unlink(missing_ok=True)
    return gone


def _held(store: Store, name: Name) -> dict[str, int]:
    """The files of weights of a node, and how many values each holds."""
    folder, files = store.path(*name), weights(store, name)
    return {path.relative_to(folder).as_posix(): stored_weights(path) for path in files}


def is_lost(store: Store, node: Work) -> bool:
    """Is there no such node, or are its weights not there?"""
    name = (node.kind, node.key)
    try:
        lost = len(weights(store, name)) < len(_listed(store, name))
    except (OSError, ValueError, LookupError, TypeError):
        return not (store.path(*name) / MANIFEST).is_file()
    return lost


def weights(store: Store, name: Name) -> list[Path]:
    """Files of weights of a node that are there."""
    folder = store.path(*name)
    try:
        return [folder / file for file in _listed(store, name) if (folder / file).is_file()]
    except (OSError, ValueError, LookupError, TypeError):
        return []  # no node, or a damaged one


def _to_go(store: Store, plan: Plan, keep: str | list[int]) -> list[Work]:
    """Models of a plan that are not to be kept, and whose weights are there."""
    stays = kept_stages(keep, plan)
    models = [node for node in plan.nodes if holds_weights(node) and node.stage not in stays]
    return [node for node in models if weights(store, (node.kind, node.key))]


def _listed(store: Store, name: Name) -> list[str]:
    listed = store.manifest(*name)["files"]
    return [file for file in listed if file.endswith(WEIGHTS)]


def needed(runs: Iterable[Unfinished], name: Name, forget_days: float | None) -> bool:
    """Does one of these runs, if it counts, still read a node, or may it?"""
    counting = (run for run in runs if run.counts(forget_days))
    return any(run.reads is None or name in run.reads for run in counting)
