"""Replay: train on D_t and a fixed random half of every earlier task; TRACE's form of it: train on
D_t, then once over the first half of every earlier task."""

import random

from plain import BATCH, Reference, Rows, Run

from harness.data.randomness import derive_seed


class Replay(Reference):
    def rows(self, run: Run) -> Rows:
        replayed = []
        for name, rows in run.earlier:
            source = random.Random(derive_seed("replay", 0, name))
            replayed += [rows[i] for i in sorted(source.sample(range(len(rows)), len(rows) // 2))]
        return run.own + replayed


class ReplayPass(Reference):
    def passes(self, run: Run) -> list[tuple[str, Rows, int]]:
        old = [row for _, rows in run.earlier for row in rows[: len(rows) // 2]]
        own = super().passes(run)
        return [*own, ("replay pass", old, -(-len(old) // BATCH))] if old else own
