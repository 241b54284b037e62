"""What a strategy sees of a forward pass: the rows, the logits, and what `Needs.outputs` asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from harness.data.batches import MicroBatch


@dataclass(frozen=True)
class Pass:
    """One forward pass over some examples, the `members` of its batch.

    batch: the rows; `batch.idle` on a rank that has none of its own and repeats another's with
        weight zero: what is measured there must not be counted.
    logits: [n, vocabulary] at the places that predict the n answer tokens, `batch.targets` [n], of
        the members one after the other.
    hidden_states, attentions: as the model returned them, by layer; rows packed or padded. Read
        them through `hidden` and `attention`, which are the same for both.
    """

    batch: "MicroBatch"
    logits: "Tensor"
    hidden_states: "Mapping[int, Tensor]" = field(default_factory=dict)
    attentions: "Mapping[int, Tensor]" = field(default_factory=dict)

    @property
    def parts(self) -> list[slice]:
        """Where each member's answer tokens stand in `logits` and in `hidden(layer)`."""
        ends, end = [], 0
        for member in self.batch.members:
            ends.append(slice(end, end + len(member.answer_ids)))
            end += len(member.answer_ids)
        return ends

    def hidden(self, layer: int, whole: bool = False) -> "Tensor":
        """Hidden states, with their gradient: [n, width] at the places of `logits`.

        whole: at every token instead, prompt and answer, [tokens, width]: the members one after the
        other without padding, so that member i has the next len(member) of them.
        Raises RuntimeError for a layer that needs() does not ask for.
        """
        import torch

        states = _asked(self.hidden_states, layer, "hidden_states")
        places = zip(self.batch.spans, self.batch.members, strict=True)
        found = [
            states[row, start:stop]
            if whole
            else states[row, stop - len(m.answer_ids) - 1 : stop - 1]
            for (row, start, stop), m in places
        ]
        return torch.cat(found)

    def attention(self, layer: int, whole: bool = False) -> "list[Tensor]":
        """Attention weights of block `layer`, as they were used (behind dropout), with their
        gradient: for each member [heads, answer tokens, tokens], from the places of `logits` to all
        of the member's tokens. whole: [heads, tokens, tokens].

        Raises RuntimeError for a layer that needs() does not ask for.
        """
        maps = _asked(self.attentions, layer, "attentions")
        found = []
        for (row, start, stop), member in zip(self.batch.spans, self.batch.members, strict=True):
            square = maps[row, :, start:stop, start:stop]
            found.append(square if whole else square[:, -len(member.answer_ids) - 1 : -1])
        return found


def _asked(found: "Mapping[int, Tensor]", layer: int, name: str) -> "Tensor":
    if layer not in found:
        raise RuntimeError(
            f"{name} of layer {layer} are not there: needs() has to ask for them, "
            f"Needs(outputs=Outputs({name}=({layer},)))"
        )
    return found[layer]
