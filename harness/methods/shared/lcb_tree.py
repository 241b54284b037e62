"""A search for the earlier task that is nearest, layer by layer: a tree over tasks, and lower
confidence bounds of distances that are measured only where they are looked up.

Part of TreeLoRA (arXiv 2506.10355); tree_lora.py says what of it is the paper's.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Node:
    """Some tasks, by number, and the two halves that the layer of its depth tells apart; no halves
    where there is one task or no layer left."""

    tasks: tuple[int, ...]
    halves: "tuple[Node, ...]" = ()


def build(tasks: Sequence[int], vectors: "Sequence[Tensor]", depth: int = 0) -> Node:
    """vectors: of each layer one per task, [all tasks, numbers]. At a node of depth d the tasks
    whose inner product with their mean at layer d is at least the (lower) median go left; where
    that leaves a side empty, the earlier half does."""
    if len(tasks) <= 1 or depth >= len(vectors):
        return Node(tuple(tasks))
    here = vectors[depth][list(tasks)]
    alike = here @ here.mean(0)
    middle = alike.median()
    sides = [
        [t for t, near in zip(tasks, alike >= middle, strict=True) if near == left]
        for left in (True, False)
    ]
    if not all(sides):
        half = len(tasks) // 2
        sides = [list(tasks[:half]), list(tasks[half:])]
    return Node(tuple(tasks), tuple(build(side, vectors, depth + 1) for side in sides))


@dataclass
class Bandit:
    """What is known of the distances: by layer and task how many were measured, and their sum."""

    counts: list[list[int]]
    sums: list[list[float]]

    @staticmethod
    def new(layers: int, tasks: int) -> "Bandit":
        return Bandit([[0] * tasks for _ in range(layers)], [[0.0] * tasks for _ in range(layers)])

    def bound(self, layer: int, task: int, step: int, total: int) -> float:
        """Mean distance less sqrt(log(2 T (s + 1) (s + 2)) / (2 n)); minus infinity for n = 0."""
        count = self.counts[layer][task]
        if count == 0:
            return -math.inf
        width = math.log(2 * total * (step + 1) * (step + 2)) / (2 * count)
        return self.sums[layer][task] / count - math.sqrt(width)

    def search(
        self, root: Node, step: int, total: int, distance: Callable[[int, int], float]
    ) -> list[int]:
        """The task that is chosen at each layer, from the first on: the one with the lowest bound
        (of equal ones the earliest) among those of the node, whose half that has it is the next
        layer's node. `distance(layer, task)` is measured for what is chosen, and noted."""
        node, chosen = root, []
        for layer in range(len(self.counts)):
            bounds = {task: self.bound(layer, task, step, total) for task in sorted(node.tasks)}
            task = min(bounds, key=lambda one: bounds[one])
            self.counts[layer][task] += 1
            self.sums[layer][task] += distance(layer, task)
            chosen.append(task)
            node = next((half for half in node.halves if task in half.tasks), node)
        return chosen
