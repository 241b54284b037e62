"""SEEKR (arXiv 2411.06171): at replayed rows' tokens (CE + KL(p_old || p)) / 2 + a A, A the mean
over layers of the mean over heads and queries of KL(old attention || attention + 1e-8)."""

import random
from dataclasses import dataclass, field

import torch
from plain import Reference, Rows, Run

from harness.data.randomness import derive_seed


@dataclass
class SEEKR(Reference):
    ratio: float
    attention: float
    heads: int
    queries: int
    importance: torch.Tensor | float = 0.0  # [layers, heads]
    place: dict = field(default_factory=dict)  # row -> task, place in its file
    old: dict = field(default_factory=dict)  # row -> log p, maps and which layers and heads

    def chosen(self, name: str, rows: Rows) -> Rows:
        source = random.Random(derive_seed("seekr", 0, name))
        kept = sorted(source.sample(range(len(rows)), round(self.ratio * len(rows))))
        self.place |= {id(row): (name, i) for i, row in enumerate(rows)}
        return [rows[i] for i in kept]

    def rows(self, run: Run) -> Rows:
        return run.own + [row for name, rows in run.earlier for row in self.chosen(name, rows)]

    def look(self, run: Run, row: dict):
        """log p [answer, vocabulary], maps [layers, heads, queries, tokens], whole maps."""
        prompt = run.tokenizer(row["prompt"])["input_ids"]
        ids = [*prompt, *run.logits(row)[1].tolist()]
        count = len(ids)
        out = run.model(torch.tensor([ids]), output_attentions=True)
        source = random.Random(derive_seed("attention-queries", 0, *self.place[id(row)]))
        asked = sorted(source.sample(range(count), min(self.queries, count)))
        log_p = out.logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        return log_p, torch.cat(out.attentions)[:, :, asked], out.attentions

    def before_task(self, run: Run) -> None:
        run.model.set_attn_implementation("eager")
        with torch.no_grad():
            self.start = [self.look(run, row)[1] for row in self.chosen(run.task, run.own)]

    def extra(self, run: Run, row: dict[str, str]) -> torch.Tensor:
        if self.place[id(row)] not in self.old:
            return torch.zeros(())
        log_q, maps, _ = self.look(run, row)
        log_p, old, where = self.old[self.place[id(row)]]
        kl = (log_p.exp() * (log_p - log_q)).sum() - run.nll(row)[0]
        by_layer: dict[int, list[torch.Tensor]] = {}
        for layer, head in where:
            was, now = old[layer, head], maps[layer, head] + 1e-8
            away = (torch.xlogy(was, was) - was * now.log()).sum(-1).mean()
            by_layer.setdefault(layer, []).append(away)
        means = [sum(heads) / len(heads) for heads in by_layer.values()]
        return kl / 2 + self.attention * sum(means) / len(means) * len(log_p)

    def after_task(self, run: Run) -> None:
        moved, felt, found = 0.0, 0.0, {}
        for row, before in zip(self.chosen(run.task, run.own), self.start, strict=True):
            log_p, maps, whole = self.look(run, row)
            loss = -log_p.gather(1, run.logits(row)[1][:, None]).mean()
            felt = felt + torch.cat(torch.autograd.grad(loss, whole)).pow(2).mean((2, 3))
            moved = moved + (maps.detach() - before).pow(2).mean((2, 3))
            found[self.place[id(row)]] = log_p.detach(), maps.detach()
        self.importance = self.importance + felt / felt.sum(1, keepdim=True) * moved / len(found)
        top = self.importance.flatten().topk(self.heads).indices.tolist()
        where = [divmod(at, self.importance.shape[1]) for at in top]
        self.old |= {row: (*kept, where) for row, kept in found.items()}
