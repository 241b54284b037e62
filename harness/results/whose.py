"""Whose cell it is: the runs that a method's name of a table, or a run's, stands for."""

from collections.abc import Sequence

from harness.errors import ConfigError, suggest
from harness.results.groups import Group
from harness.results.runs import Run

_SHOWN = 4


def runs_of(word: str, groups: Sequence[Group]) -> tuple[str, tuple[Run, ...]]:
    """The name in tables and the complete runs of one group, or one run alone, complete or not.

    word: a method as tables name it, the same without its settings where that is one group alone,
    or a run or the beginning of one. Raises ConfigError where it is none of these or not one alone.
    """
    exact = [group for group in groups if group.method.casefold() == word.casefold()]
    plain = [group for group in groups if plain_method(group.method).casefold() == word.casefold()]
    found = plain or exact
    if len(found) > 1:
        named = [_named(group, found) for group in found[:_SHOWN]]
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise ConfigError(
            f"WHOSE '{word}': {len(found)} groups of runs are called so; name one of them, or a "
            f"run of it: {'; '.join(named)}{more}"
        )
    if found:
        (group,) = found
        if group.runs:
            return group.method, group.runs
        lacking = ", ".join(run.name for run in group.incomplete[:_SHOWN])
        raise ConfigError(f"WHOSE '{word}': it has no complete run; name one of {lacking}")
    return _one_run(word, groups)


def _one_run(word: str, groups: Sequence[Group]) -> tuple[str, tuple[Run, ...]]:
    named = [(g.method, run) for g in groups for run in (*g.runs, *g.incomplete)]
    exact = [pair for pair in named if pair[1].name == word]
    found = exact or [pair for pair in named if word and pair[1].name.startswith(word)]
    names = list(dict.fromkeys(run.name for _, run in found))
    if len(names) > 1:
        raise ConfigError(f"WHOSE '{word}': {len(names)} runs begin so: {', '.join(names[:4])}")
    if not found:
        known = list(dict.fromkeys(group.method for group in groups))
        raise ConfigError(
            f"WHOSE '{word}': neither a method of this table nor a run{suggest(word, known)}"
        )
    method, run = found[0]
    return f"run {run.name} ({method})", (run,)


def plain_method(method: str) -> str:
    """Without the settings or the run that tell a group from others of its method."""
    return method.partition(" (")[0].partition(" [")[0]


def _named(group: Group, others: Sequence[Group]) -> str:
    """A group among others of one name: its label, with its first run where that is not enough."""
    label = f"'{group.method}'"
    alone = sum(other.method == group.method for other in others) == 1
    if alone and plain_method(group.method) != group.method:
        return label
    apart = {(g.model, g.sequence) for g in others}
    where = f" of {group.model} on {group.sequence}" if len(apart) > 1 else ""
    protocols = {other.protocol for other in others}
    under = f" under {group.protocol}" if len(protocols) > 1 else ""
    runs = (*group.runs, *group.incomplete)
    return f"{label}{where}{under}, run {runs[0].name}"
