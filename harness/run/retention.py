"""Weights that a store lets go: when every reader of them is done, and never while another run
that is not finished needs them. Manifests, hashes and logs stay.

A node without weights says so in a file of its own, which is written first. So a process that is
killed while files go leaves either all of them or a node that is known to lack them.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from harness.models.weights.headers import stored_weights
from harness.store.files import write_json
from harness.store.layout import DROPPED, MANIFEST, RUNS_READ
from harness.store.store import Store
from harness.store.work import EditWork, Plan, TrainWork, Work

WEIGHTS = ".safetensors"


def holds_weights(work: Work) -> bool:
    """Is what this work makes a model?"""
    return isinstance(work, TrainWork | EditWork)


def kept_stages(keep: str | list[int], plan: Plan) -> set[int]:
    """The stages of a plan whose weights stay, by `store.keep`."""
    stages = {node.stage for node in plan.nodes if holds_weights(node)}
    if isinstance(keep, list):
        return stages & set(keep)
    return {"all": stages, "ends": {max(stages, default=0)}, "none": set()}[keep]


def record_readers(store: Store, plan: Plan) -> None:
    """Remember which work of a run reads which, so that other runs of the store leave it there."""
    lines = [[node.kind, node.key, *need] for node in plan.nodes for need in node.needs()]
    write_json(store.root / RUNS_READ / f"{plan.run['run']}.json", lines)


def tidy(
    store: Store, plan: Plan, keep: str | list[int], held: Iterable[tuple[str, str]] = ()
) -> list[str]:
    """Drop the weights of a plan's stages that are not kept and that no work still to do reads.

    held: nodes whose locks this process has; the others' are taken, and those that somebody works
    on are left. Returns the keys of what was dropped.
    """
    stays = kept_stages(keep, plan)
    ours = set(held)
    models = [node for node in plan.nodes if holds_weights(node) and node.stage not in stays]
    there = [node for node in models if _weights(store, node)]
    needed = _needed(store) if there else set()
    gone = []
    for node in there:
        name = (node.kind, node.key)
        if name in needed or not store.done(*name):
            continue
        if name in ours:
            gone += [node.key] if _drop(store, node) else []
            continue
        with store.locks([name]) as taken:
            if taken.nodes and _drop(store, node):
                gone.append(node.key)
    return gone


def _drop(store: Store, node: Work) -> bool:
    """Say that the weights are gone, look once more whether a run that started meanwhile wants
    them, and remove them."""
    folder = store.path(node.kind, node.key)
    marker = folder / DROPPED
    if not marker.is_file():
        write_json(
            marker,
            {
                path.relative_to(folder).as_posix(): stored_weights(path)
                for path in _weights(store, node)
            },
        )
        if (node.kind, node.key) in _needed(store):
            marker.unlink()
            return False
    for path in _weights(store, node):
        path.unlink(missing_ok=True)
    return True


def _listed(store: Store, node: Work) -> list[str]:
    listed = store.manifest(node.kind, node.key)["files"]
    return [name for name in listed if name.endswith(WEIGHTS)]


def is_lost(store: Store, node: Work) -> bool:
    """Is there no such node, or are its weights not there?"""
    try:
        lost = len(_weights(store, node)) < len(_listed(store, node))
    except (OSError, ValueError, LookupError, TypeError):
        return not (store.path(node.kind, node.key) / MANIFEST).is_file()
    return lost


def _weights(store: Store, node: Work) -> list[Path]:
    """Files of weights that are there."""
    folder = store.path(node.kind, node.key)
    try:
        return [folder / name for name in _listed(store, node) if (folder / name).is_file()]
    except (OSError, ValueError, LookupError, TypeError):
        return []  # no node, or a damaged one


def _needed(store: Store) -> set[tuple[str, str]]:
    """What work reads that some run of the store has still to do."""
    found: set[tuple[str, str]] = set()
    done: dict[tuple[str, str], bool] = {}
    for kind, key, *need in _readers(store):
        if (kind, key) not in done:
            done[kind, key] = store.done(kind, key)
        if not done[kind, key]:
            found.add((need[0], need[1]))
    return found


def _readers(store: Store) -> Iterator[list[str]]:
    for path in (store.root / RUNS_READ).glob("*.json"):
        with suppress(OSError, ValueError):  # removed meanwhile: a run that was given up
            yield from json.loads(path.read_text())
