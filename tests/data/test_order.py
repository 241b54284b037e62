"""Batches are a pure function of (seed, task, epoch, step)."""

from harness.data.order import batch_indices, epoch_order, steps_per_epoch


def test_an_epoch_covers_every_row_once() -> None:
    steps = steps_per_epoch(33, 8)
    seen = [i for step in range(steps) for i in batch_indices(0, "copy", step, 33, 8)]
    assert sorted(seen) == list(range(33))


def test_epochs_seeds_and_tasks_differ_and_repeat() -> None:
    orders = [
        tuple(epoch_order(*arguments, 50))
        for arguments in [(0, "a", 0), (0, "a", 1), (1, "a", 0), (0, "b", 0)]
    ]
    assert len(set(orders)) == 4
    assert tuple(epoch_order(0, "a", 0, 50)) == orders[0]


def test_training_can_start_at_any_step() -> None:
    assert batch_indices(3, "a", 7, 33, 8) == epoch_order(3, "a", 1, 33)[16:24]


def test_the_order_never_changes_between_versions() -> None:
    """Golden: another permutation would silently make old stores unreproducible."""
    assert epoch_order(0, "copy", 0, 8) == (1, 6, 2, 7, 3, 0, 4, 5)
