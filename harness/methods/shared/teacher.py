"""What an earlier model said of some rows, kept without holding that model.

Predictions are kept as in LwF: the k largest probabilities of every answer token, all other tokens
counting as one outcome, whose joint probability is what is left.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.data.encoding import Example, RowId
from harness.methods.stage import Stage
from harness.methods.view import SavedState, State

if TYPE_CHECKING:
    from torch import Tensor

    from harness.methods.forward import Pass


SMALLEST = 1e-12  # of the joint probability of the tokens that are not stored
Told = dict[str, "Tensor"]


@dataclass
class Teacher:
    """The same on every rank, in main memory.

    rows: of each row tensors by name, as a rule with one entry for each answer token, [n, ...].
    """

    rows: dict[RowId, Told] = field(default_factory=dict)

    def __contains__(self, row: RowId) -> bool:
        return row in self.rows

    def ask(
        self, stage: Stage, examples: Sequence[Example], tell: "Callable[[Pass], Told]"
    ) -> None:
        """Collective. Keep what the model as it is now says of `examples`: `tell(made)` gives
        tensors with one entry for each answer token of the pass, [n, ...]."""

        def each(made: "Pass") -> list[Told]:
            told = {name: tensor.cpu() for name, tensor in tell(made).items()}
            # Copies: a piece of a row would keep, and send, the whole row.
            return [{name: t[part].clone() for name, t in told.items()} for part in made.parts]

        self.ask_rows(stage, examples, each)

    def ask_rows(
        self, stage: Stage, examples: Sequence[Example], tell: "Callable[[Pass], list[Told]]"
    ) -> None:
        """The same with tensors of any length: `tell(made)` gives them for each member."""
        mine: dict[RowId, Told] = {}

        def visit(made: "Pass") -> None:
            for row, told in zip(made.batch.members, tell(made), strict=True):
                mine[row.id] = {name: tensor.cpu() for name, tensor in told.items()}

        stage.view.observe(examples, visit)
        for row, told in stage.view.union(mine).items():
            self.rows[row] = self.rows.get(row, {}) | told

    def parts(self, made: "Pass") -> "Iterator[tuple[slice, Told]]":
        """Of every member of a pass that it knows: where its answer tokens stand in the pass, and
        what is kept of it, on the pass's device."""
        for row, part in zip(made.batch.members, made.parts, strict=True):
            if row.id in self.rows:
                told = self.rows[row.id].items()
                yield part, {name: tensor.to(made.logits.device) for name, tensor in told}

    def keep_only(self, rows: "Sequence[Example]") -> None:
        """Forget all rows but these."""
        self.rows = {row.id: self.rows[row.id] for row in rows if row.id in self.rows}

    def state(self) -> State:
        """What `read` takes."""
        import torch

        if not self.rows:
            return State()
        told = self.rows.values()
        names = next(iter(told))
        tensors = {name: torch.cat([one[name] for one in told]) for name in names}
        sizes = {name: [len(one[name]) for one in told] for name in names}
        return State(tensors, values={"rows": [[*row] for row in self.rows], "sizes": sizes})

    @classmethod
    def read(cls, saved: SavedState) -> "Teacher":
        """The one whose `state` was saved; one without rows where none was."""
        sizes = saved.values.get("sizes", {})
        parts = {name: saved.tensor(name).split(own) for name, own in sizes.items()}
        return cls(
            {
                RowId(*row): {name: part[place] for name, part in parts.items()}
                for place, row in enumerate(saved.values.get("rows", []))
            }
        )


def predictions(logits: "Tensor", top_k: int, temperature: float = 1.0) -> Told:
    """The k largest log-probabilities of softmax(logits / T), `log_p` [n, k], and of which tokens,
    `ids` [n, k], for logits [n, vocabulary]: 8 bytes each."""
    log_p = (logits.float() / temperature).log_softmax(-1)
    top = log_p.topk(min(top_k, log_p.shape[-1]))
    return {"ids": top.indices.int(), "log_p": top.values}


def divergence(told: Told, logits: "Tensor", temperature: float = 1.0) -> "Tensor":
    """KL(p || q) for each token, [n], of `predictions` p and q = softmax(logits / T)."""
    return _kl(*_outcomes(told, logits, temperature))


def reverse_divergence(told: Told, logits: "Tensor", temperature: float = 1.0) -> "Tensor":
    """KL(q || p) of the same, [n]."""
    return _kl(*reversed(_outcomes(told, logits, temperature)))


def _outcomes(told: Told, logits: "Tensor", temperature: float) -> "tuple[Tensor, Tensor]":
    """Log-probabilities of p and q for the tokens that p knows and, last, all others together."""
    import torch

    log_q = (logits.float() / temperature).log_softmax(-1)
    log_p, known = told["log_p"], log_q.gather(-1, told["ids"].long())
    if known.shape[-1] == log_q.shape[-1]:
        return log_p, known
    rests = [_log_rest(one) for one in (log_p, known)]
    return torch.cat([log_p, rests[0]], -1), torch.cat([known, rests[1]], -1)


def _log_rest(log_p: "Tensor") -> "Tensor":
    return (1 - log_p.exp().sum(-1, keepdim=True)).clamp_min(SMALLEST).log()


def _kl(log_p: "Tensor", log_q: "Tensor") -> "Tensor":
    return (log_p.exp() * (log_p - log_q)).sum(-1)
