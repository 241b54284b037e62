"""Attention maps of rows: which are kept, how far they move, and what the loss makes of them.

A map is [queries, tokens]: some or all places of a row, each attending to the whole row.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from harness.data.encoding import Example, RowId
from harness.errors import StageFailed
from harness.methods.shared.teacher import Teacher, Told
from harness.methods.stage import Stage

if TYPE_CHECKING:
    from torch import Tensor

    from harness.data.batches import MicroBatch
    from harness.methods.forward import Pass

Heads = list[tuple[int, int]]
"""(layer, head), in ascending order."""
NO_LOG_OF_ZERO = 1e-8


def places(stage: Stage, row: Example, queries: int) -> list[int]:
    """The places of a row whose attention counts: so many of them, drawn once in a run; 0: all."""
    count = len(row)
    if queries == 0 or queries >= count:
        return list(range(count))
    return sorted(stage.run_random("attention-queries", *row.id).sample(range(count), queries))


def kept_maps(stage: Stage, made: "Pass", queries: int, heads: Heads | None = None) -> list[Told]:
    """Of each member the maps of `heads`, or of all, in one flat tensor `maps`."""
    import torch

    told = []
    layers = sorted(made.attentions)
    whole = {layer: made.attention(layer, whole=True) for layer in layers}
    for i, row in enumerate(made.batch.members):
        asked = places(stage, row, queries)
        every = [(layer, head) for layer in layers for head in range(len(whole[layer][i]))]
        some = [whole[layer][i][head, asked] for layer, head in heads or every]
        told.append({"maps": torch.stack(some).flatten()})
    return told


def map_divergence(
    stage: Stage, made: "Pass", member: int, heads: Heads, queries: int, old: "Tensor"
) -> "Tensor":
    """Mean over layers of the mean over their heads and queries of KL(old || now), for one member
    of a pass; old: as `kept_maps` gave them for `heads`."""
    import torch

    row = made.batch.members[member]
    asked = places(stage, row, queries)
    old = old.to(made.logits.device).float().view(len(heads), len(asked), len(row))
    found = []
    for layer, own in groupby(enumerate(heads), key=lambda item: item[1][0]):
        at, chosen = zip(*((place, head) for place, (_, head) in own), strict=True)
        now = made.attention(layer, whole=True)[member][list(chosen)][:, asked].float()
        was = old[list(at)]
        kl = torch.xlogy(was, was) - was * (now + NO_LOG_OF_ZERO).log()
        found.append(kl.sum(-1).mean())
    return torch.stack(found).mean()


def changes(stage: Stage, rows: Sequence[Example], before: Teacher, queries: int) -> "Tensor":
    """Collective. Mean over `rows` of the mean square of how each head's maps have changed since
    `before` was asked, [layers, heads] in fp64."""
    found: dict[RowId, Tensor] = {}

    def visit(made: "Pass") -> None:
        for row, told in zip(made.batch.members, kept_maps(stage, made, queries), strict=True):
            away = told["maps"].cpu().double() - before.rows[row.id]["maps"].double()
            count = len(places(stage, row, queries)) * len(row)
            found[row.id] = away.pow(2).view(len(made.attentions), -1, count).mean(-1)

    stage.view.observe(rows, visit)
    return _mean(stage, found, rows)


def sensitivity(stage: Stage, rows: Sequence[Example]) -> "Tensor":
    """Collective. Mean over `rows` of the mean square of the gradient of the row's mean loss by
    each head's map, [layers, heads] in fp64."""
    import torch
    from torch.nn.functional import cross_entropy

    tokens = sum(len(row.answer_ids) for row in rows)
    found: dict[RowId, Tensor] = {}

    def note(batch: "MicroBatch", layer: int, gradient: "Tensor") -> None:
        for member, (row, start, stop) in zip(batch.members, batch.spans, strict=True):
            square = gradient[row, :, start:stop, start:stop].double().pow(2).mean((1, 2))
            found[member.id][layer] = square.cpu()

    def loss(made: "Pass") -> "Tensor":
        shape = len(made.attentions), next(iter(made.attentions.values())).shape[1]
        for member in made.batch.members if not made.batch.idle else ():
            found[member.id] = torch.zeros(shape, dtype=torch.float64)
        for layer, maps in made.attentions.items():
            if maps.requires_grad and not made.batch.idle:
                on_gradient(maps, partial(note, made.batch, layer))
        each = cross_entropy(made.logits.float(), made.batch.targets, reduction="none")
        counts = [len(row.answer_ids) for row in made.batch.members]
        share = torch.tensor([tokens / count for count in counts for _ in range(count)])
        return each * share.to(each.device)

    stage.view.gradient_of(rows, loss)
    mean = _mean(stage, found, rows)
    if not mean.any():
        raise StageFailed("no gradient reaches the attention weights: are all layers frozen?")
    return mean


def on_gradient(maps: "Tensor", note: "Callable[[Tensor], None]") -> None:
    """Call `note` with the gradient by the maps as attention used them. ZeRO 3 gives a module's
    outputs out behind nodes of its own, and what it gives out nobody uses: the maps themselves
    are what went into those."""
    node, index = maps.grad_fn, maps.output_nr
    while node.name().startswith("PreBackwardFunction"):
        node, index = node.next_functions[0]
    node.register_prehook(lambda gradients: note(gradients[index]))


def _mean(stage: Stage, mine: "dict[RowId, Tensor]", rows: Sequence[Example]) -> "Tensor":
    import torch

    found = stage.view.union(mine)
    return torch.stack([found[row.id] for row in rows]).mean(0)


def chosen_heads(importance: "Tensor", layers: int, heads: int) -> Heads:
    """Of the `layers` layers with the largest sums the `heads` most important heads, of all that
    there are where they are fewer; importance: [layers, heads]."""
    sums = importance.sum(1)
    order = sums.argsort(descending=True, stable=True)[:layers].tolist()
    among = [(layer, head) for layer in sorted(order) for head in range(importance.shape[1])]
    among.sort(key=lambda place: -float(importance[place]))
    return sorted(among[:heads])
