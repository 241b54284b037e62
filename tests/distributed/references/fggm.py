"""FGGM (arXiv 2601.18261): gradients of the rows with the smallest Fisher information of the coming
task, summed (or averaged) over a row's inputs, are zero; one threshold for all or one a matrix."""

from dataclasses import dataclass, field

import torch
from plain import Reference, Run


@dataclass
class FGGM(Reference):
    threshold: float
    batch: int = 1
    apart: bool = False  # the mean over inputs, and a threshold for each matrix
    kept: dict[str, torch.Tensor] = field(default_factory=dict)

    def before_task(self, run: Run) -> None:
        if not run.earlier:
            return
        names = [n for n, p in run.params.items() if p.dim() == 2 and "layers." in n]
        scores = {name: torch.zeros(len(run.params[name])) for name in names}
        # 33 rows, in groups of one or all of them: no draw matters.
        groups = [run.own[i : i + self.batch] for i in range(0, 33, self.batch)]
        for rows in groups:
            likelihood = sum(run.nll(row)[0] for row in rows) / len(rows)
            found = torch.autograd.grad(likelihood, [run.params[name] for name in names])
            for name, g in zip(names, found, strict=True):
                f = g**2 / len(groups)
                scores[name] += f.mean(1) if self.apart else f.sum(1)
        everything = torch.cat(list(scores.values()))
        for name, score in scores.items():
            among = score if self.apart else everything
            border = among.sort().values[int(self.threshold * len(among))]
            self.kept[name] = score >= border

    def edit(self, run: Run, step: int) -> None:
        for name, kept in self.kept.items():
            run.params[name].grad[~kept] = 0.0
