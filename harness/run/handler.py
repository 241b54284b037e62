"""What the rest of the harness has to know of one kind of work, and where a rank does it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from harness.config import HarnessConfig
from harness.plan.tokens import TokenCounts
from harness.store.claims import Claims
from harness.store.kept import Kept
from harness.store.listener import Listener
from harness.store.records import Made, ModelRef
from harness.store.store import Store
from harness.store.work import Work

if TYPE_CHECKING:
    from harness.train.engine.ranks import Rank

Kind = TypeVar("Kind", bound=Work)


@dataclass(frozen=True)
class Size:
    """How much work there is: an amount of a unit (0 = not known before it starts), and what that
    means in tokens to train on, to read and at most to generate, and in passes of the model that
    generate."""

    amount: int
    unit: str
    trained: int = 0
    read: int = 0
    generated: int = 0
    passes: int = 0


class Site(Protocol):
    """Where a rank works. halvings: as RankJob says."""

    config: HarnessConfig
    store: Store
    rank: "Rank"
    halvings: int

    def writing(self, work: Work) -> AbstractContextManager[tuple[Path, Listener]]:
        """A folder that becomes the node when it is left without an error, and who hears how far
        the work is."""

    def reading(self, work: Work) -> Path:
        """The folder of `writing` as a rank sees it that does not own it."""

    def kept(self, work: Work) -> Kept:
        """What is kept of the work while it runs, for a launch that goes on with it."""

    def hearing(self, work: Work) -> Listener:
        """Who hears how far the work is, for a rank that does not own its folder."""

    def claims(self, works: Sequence[Work]) -> Claims:
        """What the ranks of this launch claim of some works."""


class Handler(ABC, Generic[Kind]):
    """What the rest of the harness has to know of one kind of work."""

    @abstractmethod
    def size(self, work: Kind, counts: TokenCounts) -> Size:
        """How much there is to do; `counts` are of the training files."""

    def together(self, first: Kind, other: Kind) -> bool:
        """May neighbours in a plan be run by one call, because they share what is loaded?"""
        return False

    @abstractmethod
    def run(self, works: Sequence[Kind], site: Site) -> None:
        """Do it; all ranks call this with the same works, which all go `together`."""


def source(model: ModelRef, store: Store) -> Path | str:
    """What loads a model: its folder, or its name on the hub."""
    return store.path(model.kind, model.key) if isinstance(model, Made) else model.path
