"""The search for the nearest earlier task, by hand and on drawn distances."""

import math

import pytest
import torch

from harness.methods.shared.lcb_tree import Bandit, Node, build
from harness.methods.tree_lora import _changes


def test_a_tree_splits_at_the_median_of_what_is_alike() -> None:
    """Layer 0: 4, 3, -1, -2 with mean 1; the lower median of the products is -1. Layer 1 tells 2, 1
    and 0 apart, with mean 1 and the median 1; of equal ones the earlier half goes left."""
    first = torch.tensor([[4.0], [3.0], [-1.0], [-2.0]])
    second = torch.tensor([[2.0], [1.0], [0.0], [7.0]])
    tree = build(range(4), [first, second])
    assert [half.tasks for half in tree.halves] == [(0, 1, 2), (3,)]
    assert [half.tasks for half in tree.halves[0].halves] == [(0, 1), (2,)]
    assert tree.halves[0].halves[0].halves == ()  # no layer is left
    equal = build(range(2), [torch.ones(2, 3)])
    assert [half.tasks for half in equal.halves] == [(0,), (1,)]


def test_every_task_is_tried_before_one_is_preferred() -> None:
    bandit, root = Bandit.new(1, 3), Node((0, 1, 2))
    far = [3.0, 1.0, 2.0]
    chosen = [bandit.search(root, s, 100, lambda layer, task: far[task])[0] for s in range(3)]
    assert chosen == [0, 1, 2]


def test_the_bound_by_hand() -> None:
    bandit = Bandit([[2]], [[10.0]])
    assert bandit.bound(0, 0, 4, 50) == pytest.approx(5 - math.sqrt(math.log(100 * 5 * 6) / 4))


def test_the_nearest_is_chosen_most_of_the_time() -> None:
    bandit, root = Bandit.new(2, 3), Node((0, 1, 2))
    far = [[30.0, 10.0, 20.0], [10.0, 20.0, 30.0]]
    for step in range(200):
        bandit.search(root, step, 200, lambda layer, task: far[layer][task])
    assert bandit.counts[0][1] > 190
    assert bandit.counts[1][0] > 190


def test_a_lower_layer_chooses_among_those_that_are_left() -> None:
    """Layer 0 has settled on task 0, whose half has tasks 0 and 1: layer 1 does not see task 2."""
    root = Node((0, 1, 2), (Node((0, 1), (Node((0,)), Node((1,)))), Node((2,))))
    bandit = Bandit([[1, 1, 1], [5, 5, 0]], [[0.0, 90.0, 90.0], [250.0, 5.0, 0.0]])
    assert bandit.search(root, 3, 10, lambda layer, task: 0.0) == [0, 1]
    assert bandit.counts == [[2, 1, 1], [5, 6, 0]]


def test_a_task_is_told_by_what_it_has_changed() -> None:
    means = torch.tensor([[1.0, 1.0], [2.0, 1.0], [2.0, 5.0]])
    assert _changes(means).tolist() == [[1, 1], [1, 0], [0, 4]]
