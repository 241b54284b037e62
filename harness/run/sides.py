"""Which of a run's work goes to which ranks, where scoring has ranks of its own (`eval.beside`).

Models are made by the ranks that train, whose number training may depend on; scores of finished
models, and the judge's, are made by the others at the same time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.run.launch.crew import Crew, local_crew
from harness.run.retention import holds_weights
from harness.store.work import Work


@dataclass(frozen=True)
class Side:
    """Work for one group of ranks, in order. awaited: (kind, key) of what a group beside makes."""

    works: list[Work]
    crew: Crew
    awaited: list[list[str]]


def sides(works: Sequence[Work], crew: Crew, beside: int) -> list[Side]:
    """The groups that do some work at the same time; the crew is that of training. Where nothing
    is to be made, nobody is beside: all ranks score."""
    made = [work for work in works if holds_weights(work)]
    scored = [work for work in works if not holds_weights(work)]
    if not beside or not scored:
        return [Side(list(works), crew, [])]
    if not made:
        return [Side(scored, local_crew(crew.world + beside), [])]
    awaited = [[work.kind, work.key] for work in made]
    return [Side(made, crew, []), Side(scored, local_crew(beside), awaited)]


def clock_hours(
    works: Sequence[Work], hours: Mapping[str, float], training: int, beside: int
) -> float:
    """Hours on the clock of some work in its order, by the device hours of each key: on so many
    ranks, which share each piece evenly, and the scoring on others beside where there are any."""
    free, done = dict.fromkeys((True, False), 0.0), dict[str, float]()
    widths = {True: training, False: beside or training}
    alone = not any(holds_weights(work) for work in works)
    if beside and alone:
        widths[False] += training
    for work in works:
        making = holds_weights(work) or not beside
        start = max([free[making], *(done.get(key, 0.0) for _, key in work.needs())])
        free[making] = done[work.key] = start + hours.get(work.key, 0.0) / widths[making]
    return max(free.values())
