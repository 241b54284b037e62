"""One file that the first rank writes and all ranks make: none waits for one that cannot write."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DataError
from harness.models.weights.headers import TensorSpec
from harness.train.engine.ranks import Rank

if TYPE_CHECKING:
    from torch import Tensor

    from harness.models.weights.tensor_file import Source


def write_together(path: Path, specs: dict[str, TensorSpec], tensors: "Source", rank: Rank) -> None:
    """Collective, as `tensors` may be: every rank asks for all of them in the same order, also
    where the disk fails in the middle. Raises DataError on all ranks where the first cannot write.
    """
    from harness.models.weights.tensor_file import write_order, write_tensors

    source, error = _Source(write_order(specs), tensors), None
    if rank.first:
        try:
            write_tensors(path, specs, source)
        except DataError as failed:
            error = failed
    source.rest()
    if not rank.agree(error is None):
        raise DataError(rank.told(str(error)))


class _Source:
    """A source of tensors that knows what of it was not asked for yet."""

    def __init__(self, names: list[str], tensors: "Source") -> None:
        self._names, self._tensors = names, tensors
        self._pieces: Iterator[Tensor] = iter(())  # of the one under way

    def __call__(self, name: str) -> "Tensor | Iterable[Tensor]":
        self._names.remove(name)
        found = self._tensors(name)
        if isinstance(found, Iterator):
            self._pieces = found
        return found

    def rest(self) -> None:
        """Ask for it."""
        for _ in self._pieces:
            pass
        for name in list(self._names):
            self(name)
            for _ in self._pieces:
                pass
