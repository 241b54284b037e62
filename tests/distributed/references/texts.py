"""What references that distil the model before the first task on general texts share."""

import copy
import json
import random
from pathlib import Path

import torch
from plain import Reference, Run

from harness.data.randomness import derive_seed

FILE = Path(__file__).with_suffix(".json")
TEXTS = json.loads(FILE.read_text())


class OnTexts(Reference):
    name = ""

    def before_task(self, run: Run) -> None:
        if not run.earlier:
            self.initial = copy.deepcopy(run.model)

    def drawn(self, run: Run, step: int) -> list[dict]:
        source = random.Random(derive_seed(f"{self.name}-batch", 0, run.task, step))
        return source.sample(TEXTS, self.batch)

    def both(self, run: Run, row: dict, of):
        """of() with the model and with the initial one."""
        now, kept = of(row), run.model
        run.model = self.initial
        with torch.no_grad():
            before = of(row)
        run.model = kept
        return now, before

    def add(self, run: Run, loss: torch.Tensor, own: float = 1.0) -> None:
        found = torch.autograd.grad(loss, list(run.params.values()))
        for p, more in zip(run.params.values(), found, strict=True):
            p.grad = own * p.grad + more
