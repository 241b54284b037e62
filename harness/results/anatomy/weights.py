"""A table of how far each layer went at each stage, and in how many directions."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.results.records import RunRecord
from harness.results.report.printing import DASH, Entry, Heading, Points, Table

if TYPE_CHECKING:
    from harness.models.weights.updates import Layer

_CAPTION = (
    "What a stage changed, counted from the stage before. Norm: Frobenius norm of the change of "
    "all weights of a layer; relative: the same in % of the weights' norm before. Effective rank: "
    "exp of the entropy of the singular values' shares (Roy and Vetterli 2007), mean over the "
    "layer's matrices; of: the largest that it can be."
)
_HEADINGS = (
    Heading("Stage", "stage", numeric=True),
    Heading("Trained", "trained"),
    Heading("Layer", "layer"),
    Heading("Weights", "weights", numeric=True),
    Heading("Norm", "norm", numeric=True),
    Heading("Relative", "relative_percent", numeric=True),
    Heading("Effective rank", "effective_rank", numeric=True),
    Heading("Of", "full_rank", numeric=True),
)


def weights_table(
    record: RunRecord, stages: Mapping[int, "Sequence[Layer]"], digest: str, notes: Sequence[str]
) -> Table:
    """A row for every stage and layer. notes: what is left out, a sentence each."""
    rows = tuple(_row(record, stage, layer) for stage, layers in stages.items() for layer in layers)
    title = f"What training changed: {record.run['method']}, run {record.run['run']}"
    return Table(title, _HEADINGS, rows, _CAPTION, "weights", digest, tuple(notes))


def _row(record: RunRecord, stage: int, layer: "Layer") -> tuple[Entry, ...]:
    joint = record.run["schedule"] == "joint"
    trained = "(all tasks)" if joint else record.run["tasks"][stage - 1]
    relative = f"{100 * layer.norm / layer.size:.3g}" if layer.size else DASH
    told = (stage, trained, layer.name, layer.elements, f"{layer.norm:.4g}", relative)
    return (*told, Points(layer.rank), Points(layer.full))
