"""What a group of ranks is given: the job file."""

from dataclasses import dataclass, field
from pathlib import Path

from harness.store.records import Json


@dataclass(frozen=True)
class RankJob:
    """Work for a group of ranks, all in plain JSON.

    lease: of the parent, which all that the ranks write carries until it is done. works: as
    `Work.to_json` tells them. config: the configuration, as `plain` tells it. folder: where logs
    and events go. rendezvous: where the ranks find each other, a path that no group has used
    before or tcp://<address>:<port>; whoever starts them fills it in. deterministic: as the
    configuration says, for the environment of the ranks. awaited: (kind, key) of what a group
    beside this one makes; work that reads it begins when it is in the store. halvings: as TrainJob
    says, of what is trained.
    """

    store: str
    lease: str
    config: Json
    works: list[Json]
    device: str
    threads: int
    folder: str
    rendezvous: str = ""
    deterministic: bool = True
    awaited: list[list[str]] = field(default_factory=list)
    halvings: int = 0


@dataclass(frozen=True)
class Seat:
    """A rank among all, and among those of its machine."""

    rank: int
    local_rank: int


def job_file(folder: str | Path) -> Path:
    """The file of a job in its folder."""
    return Path(folder) / "job.json"


def log_file(folder: str | Path, rank: int) -> Path:
    """What a rank prints."""
    return Path(folder) / f"rank{rank}.log"
