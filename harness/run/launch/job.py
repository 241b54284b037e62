"""What a group of ranks is given: the job file."""

from dataclasses import dataclass

from harness.store.records import Json


@dataclass(frozen=True)
class RankJob:
    """Work for a group of ranks, all in plain JSON.

    lease: of the parent, which all that the ranks write carries until it is done. works: as
    `Work.to_json` tells them. config: the configuration, as `plain` tells it. folder: where logs
    and events go. rendezvous: a path that no group has used before.
    """

    store: str
    lease: str
    config: Json
    works: list[Json]
    device: str
    threads: int
    folder: str
    parent_pid: int
    rendezvous: str
