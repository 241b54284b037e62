"""Rows for the model: several examples in one packed row, or one example per padded row."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.data.encoding import Example

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class MicroBatch:
    """One forward pass.

    `inputs` are the model's keyword arguments; `answer_rows` / `answer_columns` say where in the
    returned logits the prediction of each answer token stands; `targets` [n] are those tokens.
    `members`: the examples, in the order of their answers' tokens; their own names are
    `member.id`. `spans`: for each the row of its tokens, their first column and the one behind the
    last. `idle`: a rank without examples repeats another's pass with weight zero.
    """

    inputs: dict[str, Any]
    answer_rows: "Tensor"
    answer_columns: "Tensor"
    targets: "Tensor"
    idle: bool = False
    members: tuple[Example, ...] = ()
    spans: tuple[tuple[int, int, int], ...] = ()

    def to(self, device: Any) -> "MicroBatch":
        """The same batch on a device."""
        import torch

        moved = {k: v.to(device) if torch.is_tensor(v) else v for k, v in self.inputs.items()}
        return replace(
            self,
            inputs=moved,
            answer_rows=self.answer_rows.to(device),
            answer_columns=self.answer_columns.to(device),
            targets=self.targets.to(device),
        )


def bins(lengths: Sequence[int], capacity: int, world: int) -> list[list[int]]:
    """Group examples into rows for `world` ranks, as few and as even as `capacity` tokens allow.

    Longest first into the emptiest row. The number of rows is a multiple of `world` (rows may stay
    empty when there are fewer examples), row b belongs to rank b % world. Where an example is
    longer than `capacity`, rows may be as long as it is. Deterministic.
    """
    capacity = max([capacity, *lengths])
    count = world * max(1, -(-sum(lengths) // (world * capacity)))
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    while True:
        groups: list[list[int]] = [[] for _ in range(count)]
        loads = [0] * count
        for index in order:
            emptiest = min(range(count), key=lambda row: (loads[row], row))
            groups[emptiest].append(index)
            loads[emptiest] += lengths[index]
        if max(loads) <= capacity or count >= len(lengths):
            return [sorted(group) for group in groups]
        count += world


def pack(examples: Sequence[Example]) -> MicroBatch:
    """One row [1, L]: examples end to end, position ids restarting at each.

    Exact only without an attention mask and with use_cache=False (transformers then reads the
    sequence borders off the position ids); `harness.train.engine.probe` checks the model at hand.
    Logits are computed only where an answer token is predicted.
    """
    import torch

    ids: list[int] = []
    positions: list[int] = []
    places: list[int] = []
    targets: list[int] = []
    spans: list[tuple[int, int, int]] = []
    for example in examples:
        spans.append((0, len(ids), len(ids) + len(example)))
        start = len(ids) + len(example.prompt_ids)
        ids += example.prompt_ids + example.answer_ids
        positions += range(len(example))
        places += range(start - 1, start - 1 + len(example.answer_ids))
        targets += example.answer_ids
    inputs = {
        "input_ids": torch.tensor([ids]),
        "position_ids": torch.tensor([positions]),
        "logits_to_keep": torch.tensor(places),
        "use_cache": False,
    }
    count = len(targets)
    return MicroBatch(
        inputs,
        torch.zeros(count, dtype=torch.long),
        torch.arange(count),
        torch.tensor(targets),
        members=tuple(examples),
        spans=tuple(spans),
    )


def pad_both(examples: Sequence[Example], pad_token_id: int, start: int) -> MicroBatch:
    """For an encoder-decoder: prompts [examples, P] and what the decoder reads [examples, A], each
    answer behind `start` and without its last token; both padded on the right.

    Place j of the decoder predicts answer token j. `spans` are places of the decoder, of which an
    answer's last token, the one behind its row's end, is read by nobody.
    """
    import torch

    answers = [example.answer_ids for example in examples]
    read, there = _padded_right([example.prompt_ids for example in examples], pad_token_id)
    decoded, mask = _padded_right([[start, *ids[:-1]] for ids in answers], pad_token_id)
    rows, columns = mask.nonzero(as_tuple=True)  # row by row
    inputs = {
        "input_ids": read,
        "attention_mask": there,
        "decoder_input_ids": decoded,
        "decoder_attention_mask": mask,
        "use_cache": False,
    }
    return MicroBatch(
        inputs,
        rows,
        columns,
        torch.tensor([token for ids in answers for token in ids]),
        members=tuple(examples),
        spans=tuple((row, 0, len(ids) + 1) for row, ids in enumerate(answers)),
    )


def _padded_right(rows: Sequence[list[int]], fill: int) -> "tuple[Tensor, Tensor]":
    """Ids and which of them are there, each [rows, longest]."""
    import torch

    ids = torch.full((len(rows), max(map(len, rows))), fill)
    mask = torch.zeros_like(ids)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        mask[row, : len(tokens)] = 1
    return ids, mask


def pad(examples: Sequence[Example], pad_token_id: int) -> MicroBatch:
    """Rows [examples, L], padded on the left so that answers end together; logits are computed
    for the columns from the earliest answer on."""
    import torch

    width = max(len(example) for example in examples)
    kept = max(len(example.answer_ids) for example in examples) + 1
    ids = torch.full((len(examples), width), pad_token_id)
    mask = torch.zeros((len(examples), width), dtype=torch.long)
    rows: list[int] = []
    columns: list[int] = []
    targets: list[int] = []
    for row, example in enumerate(examples):
        ids[row, width - len(example) :] = torch.tensor(example.prompt_ids + example.answer_ids)
        mask[row, width - len(example) :] = 1
        count = len(example.answer_ids)
        rows += [row] * count
        columns += range(kept - 1 - count, kept - 1)
        targets += example.answer_ids
    inputs = {
        "input_ids": ids,
        "attention_mask": mask,
        "position_ids": (mask.cumsum(-1) - 1).clamp(min=0),
        "logits_to_keep": kept,
        "use_cache": False,
    }
    return MicroBatch(
        inputs,
        torch.tensor(rows),
        torch.tensor(columns),
        torch.tensor(targets),
        members=tuple(examples),
        spans=tuple((row, width - len(e), width) for row, e in enumerate(examples)),
    )
