"""What a row of the equivalence matrix says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from plain import Reference

TWO, THREE = ("copy", "count"), ("copy", "count", "copy")


@dataclass(frozen=True)
class Row:
    """overrides: the method as a user would ask for it. identity: further ones at which it is
    sequential fine-tuning. refused: adapter -> a part of the message with which validation refuses
    the method there. bf16: is its effect shown at ZeRO 1-3 in bf16? beside: the row that takes the
    place of sequential fine-tuning. model: what is trained, a key of `matrix.MODELS`. cells: (ZeRO
    stage, ranks) of those that are measured where these are not all."""

    overrides: tuple[str, ...]
    reference: Callable[[], Reference]
    identity: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ("full", "lora")
    tasks: tuple[str, ...] = TWO
    zero_stages: tuple[int, ...] = (0, 1, 2, 3)
    refused: Mapping[str, str] = field(default_factory=dict)
    bf16: bool = False
    beside: str | None = None
    model: str = "llama"
    cells: tuple[tuple[int, int], ...] | None = None

    def has(self, zero: int, world: int) -> bool:
        """Is this cell measured?"""
        return zero in self.zero_stages and (self.cells is None or (zero, world) in self.cells)
