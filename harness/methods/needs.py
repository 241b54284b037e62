"""What a strategy asks of the run that it is part of; read before any model loads."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from harness.config import ModelKind


class Adapter(Enum):
    """Is a strategy defined with an adapter: with and without (any), only with one (required), only
    with one that is fresh at every task beside the earlier ones (stacked), only without (refused)?
    """

    any = "any"
    required = "required"
    stacked = "stacked"
    refused = "refused"


@dataclass(frozen=True)
class Outputs:
    """What every forward pass returns besides its logits; see `Pass`.

    hidden_states: layers as transformers counts them: 0 = the embeddings, i = behind block i, the
        last one behind the final norm; negative ones count from the end. every_hidden_state: all of
        them as well, from 0, however many the model has.
    attentions: blocks, from 0; negative ones count from the end. Needs model.attention=eager.
    every_attention: of all blocks, how many there may be.
    """

    hidden_states: tuple[int, ...] = ()
    attentions: tuple[int, ...] = ()
    every_attention: bool = False
    every_hidden_state: bool = False

    def __bool__(self) -> bool:
        return bool(self.hidden_states) or self.every_hidden_state or self.reads_attention

    @property
    def reads_attention(self) -> bool:
        """Of any block?"""
        return bool(self.attentions) or self.every_attention

    @staticmethod
    def union(several: "Iterable[Outputs]") -> "Outputs":
        """What all of them ask for."""
        asked = list(several)
        return Outputs(
            tuple(dict.fromkeys(layer for one in asked for layer in one.hidden_states)),
            tuple(dict.fromkeys(layer for one in asked for layer in one.attentions)),
            any(one.every_attention for one in asked),
            any(one.every_hidden_state for one in asked),
        )


LOGITS_ALONE = Outputs()
ALL_FAMILIES = tuple(ModelKind)


@dataclass(frozen=True)
class Needs:
    """A strategy's requirements with its parameters as they are set, and what it does that others
    have to know. The default is a strategy that goes with everything.

    history: it does nothing at all where no task was trained before; models of one task each and of
        all tasks at once then refuse it.
    rows: it reads training rows of earlier tasks through `stage.history`; they enter the content
        key. Files that it reads are those of `Strategy.file_parameters`.
    adapter: see `Adapter`.
    carries_weights: it hands a value for every trained weight to the next stage, so that every task
        has to train the same weights: no fresh adapter, nothing thawed.
    changes_trained: it freezes other weights at other tasks; moments cannot be carried over then.
    thaws: it trains weights that it froze at an earlier task.
    adds_gradient: its hook `gradients` adds the gradient of a penalty.
    bounds_gradient: its hook `gradients` masks or projects the gradient that it finds, which a
        later penalty would escape.
    replaces_gradient: its hook `gradients` puts the gradient of the objective at other weights in
        the place of the one that it finds, so that what others add before it would be lost.
    sharp: it keeps something by the rows of a task, so that those on both sides of a boundary must
        not be exchanged (`sequence.blur`).
    group: of one group a method takes one strategy: what the first does the next would undo.
    packing: several examples may share a row; false asks for padded rows.
    outputs: what it reads of a forward pass besides logits; of causal models alone.
    defined_for: the families of models that it is defined for.
    copies: how many fp32 copies of the trained weights, sharded like them, it holds at most at
        once, for the memory that a run is checked against. host_copies: the same in main memory
        (`gradient_of(..., host=True)`); host_copies_a_task: as many more for each task trained
        before.
    """

    history: bool = False
    rows: bool = False
    adapter: Adapter = Adapter.any
    carries_weights: bool = False
    changes_trained: bool = False
    thaws: bool = False
    adds_gradient: bool = False
    bounds_gradient: bool = False
    replaces_gradient: bool = False
    sharp: bool = False
    group: str | None = None
    packing: bool = True
    outputs: Outputs = LOGITS_ALONE
    defined_for: tuple[ModelKind, ...] = ALL_FAMILIES
    copies: float = 0.0
    host_copies: float = 0.0
    host_copies_a_task: float = 0.0

    @property
    def families(self) -> tuple[ModelKind, ...]:
        """`defined_for`, as far as what it reads is there."""
        if not self.outputs:
            return self.defined_for
        return tuple(kind for kind in self.defined_for if kind is ModelKind.causal)
