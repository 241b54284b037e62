"""Rates of single weights: AdamW with a group for each weight."""

from dataclasses import dataclass

import torch
from plain import EPS, RATE, Reference, Run


@dataclass
class Rates(Reference):
    def factor(self, name: str) -> float:
        raise NotImplementedError

    def before_task(self, run: Run) -> None:
        groups = [{"params": [p], "lr": RATE * self.factor(n)} for n, p in run.params.items()]
        run.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=EPS, weight_decay=0.0)


@dataclass
class LLRD(Rates):
    """arXiv 1801.06146: two blocks at d and d^2 (the lower one), embeddings d^3, the rest 1."""

    decay: float

    def factor(self, name: str) -> float:
        for part, power in (("layers.1.", 1), ("layers.0.", 2), ("embed_tokens", 3)):
            if part in name:
                return self.decay**power
        return 1.0


@dataclass
class SlowLearner(Rates):
    """arXiv 2303.05118: all but the head at a fraction of the rate."""

    slow: float

    def factor(self, name: str) -> float:
        return 1.0 if name == "lm_head.weight" else self.slow
