"""Replay: train on D_t and a fixed random half of every earlier task."""

import random

from plain import Reference, Rows, Run

from harness.data.order import derive_seed


class Replay(Reference):
    def rows(self, run: Run) -> Rows:
        replayed = []
        for name, rows in run.earlier:
            source = random.Random(derive_seed("replay", 0, name))
            replayed += [rows[i] for i in sorted(source.sample(range(len(rows)), len(rows) // 2))]
        return run.own + replayed
