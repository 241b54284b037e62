"""The words of a plan: nodes (pieces of work), cells (places in the score matrix), the plan."""

from dataclasses import dataclass, field
from typing import Any

from harness.config.plain import plain

Spec = dict[str, Any]
MADE = ("train", "edit", "eval")  # kinds of node that another one may take as its model


@dataclass(frozen=True)
class Node:
    """One piece of work; `spec` is plain JSON, all that a worker needs besides the store."""

    kind: str
    key: str
    stage: int
    label: str
    model: Spec
    spec: Spec = field(hash=False)
    work: float = 0.0

    def made(self) -> Spec:
        """The model that this node makes, as other nodes name it."""
        return {"kind": self.kind, "key": self.key}

    def needs(self) -> list[tuple[str, str]]:
        """(kind, key) of the nodes whose results this one reads."""
        found = [(self.model["kind"], self.model["key"])] if self.model["kind"] in MADE else []
        return found + [(kind, key) for kind, key in self.spec.get("needs", [])]

    def to_json(self) -> Spec:
        return plain(self)


@dataclass(frozen=True)
class Cell:
    """One place in the score matrix and the key of the eval node that fills it."""

    stage: int
    trained_task: str | None
    suite: str
    benchmark: str
    key: str
    headline: str
    filter: str
    unit: str
    shots: int | None
    split: str
    kind: str = "eval"
    side: str | None = None


@dataclass
class Plan:
    """All nodes in an order that respects their inputs, all cells, and the run's columns."""

    run: Spec
    nodes: list[Node]
    cells: list[Cell]
