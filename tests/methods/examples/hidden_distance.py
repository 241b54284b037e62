"""Less-forgetting learning (arXiv 1607.00122, eq. 3): hidden states stay near those that the task
found, at every answer token of its rows."""

from dataclasses import dataclass

from harness.methods import Needs, Outputs, Pass, Stage, Strategy, require_range


@dataclass
class HiddenDistance(Strategy):
    """Penalise the mean squared distance of a layer's hidden state to that before the task.

    strength: of the penalty, 0 or more. layer: 0 = the embeddings, i = behind block i, -1 = last.
    """

    strength: float = 1.0
    layer: int = -1

    def __post_init__(self) -> None:
        require_range("strength", self.strength, 0)
        self.before = {}  # row id -> hidden states [answer tokens, width]

    def needs(self) -> Needs:
        return Needs(history=True, outputs=Outputs(hidden_states=(self.layer,)))

    def start(self, stage: Stage) -> None:
        if not stage.history.tasks:
            return
        mine = {}

        def keep(made: Pass) -> None:
            found = made.hidden(self.layer).cpu()
            for row, part in zip(made.batch.members, made.parts, strict=True):
                mine[row.id] = found[part].clone()

        stage.view.observe([row for phase in stage.phases for row in phase.data.examples], keep)
        self.before = stage.view.union(mine)

    def loss(self, stage: Stage, made: Pass):
        import torch

        if not self.before:
            return None
        found = made.hidden(self.layer)
        before = torch.cat([self.before[row.id] for row in made.batch.members]).to(found.device)
        return self.strength * (found - before).float().pow(2).mean(-1)
