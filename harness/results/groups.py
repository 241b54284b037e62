"""Runs that differ in their seed only, and what they are called beside others."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.results.runs import Run
from harness.results.settings import differences, in_order, in_words


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed only, and those of them that are incomplete."""

    model: str
    sequence: str
    method: str
    protocol: str | None
    runs: tuple[Run, ...]
    incomplete: tuple[Run, ...]


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """Group runs that differ in their seed only, ordered by model, sequence, method and protocol.

    Groups that share all of these are told apart by the settings in which they differ, numbers in
    the order of their size, and by the run where the settings do not do it.
    """
    alike: dict[tuple[str, str, str, str], list[Run]] = defaultdict(list)
    for run in runs:
        alike[run.model, run.sequence, run.method, run.protocol or ""].append(run)
    groups = []
    for _, members in sorted(alike.items()):
        groups += [_group(part, name) for name, part in _named(_by_seed_only(members))]
    return groups


def _by_seed_only(runs: Sequence[Run]) -> list[list[Run]]:
    """Split runs of one method into lists in which every seed occurs once.

    Runs with one group id did the same work, so a second run of a seed adds nothing. Without group
    ids, a repeated seed means that the runs differ in something else: each then stands alone.
    """
    parts: dict[tuple[object, ...], dict[object, Run]] = defaultdict(dict)
    for run in runs:
        same = run.group, run.matrix.tasks, run.matrix.schedule
        parts[same].setdefault(run.seed if run.group else run.name, run)
    found: list[list[Run]] = []
    for part in parts.values():
        members = list(part.values())
        if len({run.seed for run in members}) < len(members):
            found += [[run] for run in members]
        else:
            found.append(members)
    return found


def _named(parts: Sequence[list[Run]]) -> list[tuple[str, list[Run]]]:
    """(name of the method, runs) of every part, in order."""
    method = parts[0][0].method
    if len(parts) == 1:
        return [(method, parts[0])]
    told = differences([part[0].settings for part in parts])
    names = sorted({name for settings in told for name in settings})
    found = []
    pairs = zip(told, parts, strict=True)
    for settings, part in sorted(pairs, key=lambda pair: in_order(pair[0], names)):
        label = f"{method} ({in_words(settings)})" if settings else method
        found.append((f"{method} [{part[0].name}]" if told.count(settings) > 1 else label, part))
    return found


def _group(members: Sequence[Run], method: str) -> Group:
    first = members[0]
    incomplete = tuple(run for run in members if run.missing())
    complete = tuple(run for run in members if not run.missing())
    return Group(first.model, first.sequence, method, first.protocol, complete, incomplete)
