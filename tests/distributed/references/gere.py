"""GeRe (arXiv 2508.04676) on general texts: (CE_task + CE_texts) / 2 + w D, where D is the mean
over its terms above 0 of how far a hidden unit has left the side of mean -+ deviation that it was
on in the initial model, and w = CE / D, at most 1,000; or CE_task + w KL(p_0 || p) at T = 2."""

from dataclasses import dataclass

import torch
from plain import BATCH, Rows, Run
from references.texts import TEXTS, OnTexts

from harness.data.order import batch_indices


@dataclass
class GeRe(OnTexts):
    batch: int
    weight: float | None = None  # of KL; None: thresholds, with labels
    name = "gere"

    def before_task(self, run: Run) -> None:
        super().before_task(run)
        if not run.earlier:
            with torch.no_grad():
                h = torch.cat([self.hidden(run, row) for row in TEXTS])
            self.low, self.high = h.mean(0) - h.std(0, False), h.mean(0) + h.std(0, False)

    def hidden(self, run: Run, row: dict) -> torch.Tensor:
        ids = run.tokenizer(row["prompt"])["input_ids"]
        answer = run.tokenizer(row["answer"], add_special_tokens=False)["input_ids"]
        states = run.model(torch.tensor([ids + answer]), output_hidden_states=True).hidden_states
        return states[-1][0, len(ids) - 1 :]

    def entropy(self, run: Run, rows: Rows) -> torch.Tensor:
        sums = [run.nll(row) for row in rows]
        return sum(nll for nll, _ in sums) / sum(count for _, count in sums)

    def edit(self, run: Run, step: int) -> None:
        rows = self.drawn(run, step)
        if self.weight is not None:
            pairs = [self.both(run, row, lambda row: run.logits(row)[0] / 2) for row in rows]
            q, p = (torch.cat(z).log_softmax(-1) for z in zip(*pairs, strict=True))
            return self.add(run, self.weight * (p.exp() * (p - q)).sum(-1).mean())
        pairs = [self.both(run, row, lambda row: self.hidden(run, row)) for row in rows]
        h, old = (torch.cat(states) for states in zip(*pairs, strict=True))
        below, above = old <= self.low, old >= self.high
        off = (h - self.low).relu() * below + (self.high - h).relu() * above
        off += ((h - self.high).relu() + (self.low - h).relu()) * ~(below | above)
        distance = off.sum() / max(int((off != 0).sum()), 1)
        own = [run.own[i] for i in batch_indices(0, run.task, step, len(run.own), BATCH)]
        entropy = self.entropy(run, rows) / 2
        total = float((entropy + self.entropy(run, own) / 2).detach())
        w = min(1000.0, total / float(distance.detach())) if distance > 0 else 1000.0
        return self.add(run, entropy + w * distance, own=0.5)
