"""One rank of the check of a device: `python -m harness.run.check.rank <device> <rendezvous>`.

The first rank writes a finding as a line of JSON as soon as it has it. It uses what runs use: the
same start of the group, the same engine, the same backends.
"""

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

from harness.config import EngineConfig, Precision, TrainConfig
from harness.models.block_times import TOKENS, BlockSizes, block_times
from harness.run.check.model import EOS, VOCABULARY, examples, prompts, random_llama
from harness.run.check.report import Wrong, found
from harness.train.engine.ranks import Rank, leave, start

MINUTES = 1.0
STEPS = 3
BLOCK = BlockSizes(hidden=384, queries=384, keys=128, head=64, inner=1024)  # a small real model's
BF16_TOLERANCE = 0.05  # of the logits, relative to their largest


def main(argv: list[str]) -> NoReturn:
    """Run all checks as one rank."""
    device, rendezvous = argv
    index, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no finding
    rank = start(index, world, device, rendezvous, MINUTES, threads=1)
    for finding in found(checks(rank)):
        if rank.first:
            answers.write(json.dumps(vars(finding)) + "\n")
            answers.flush()
    leave(rank)


def checks(rank: Rank) -> dict[str, Callable[[], str]]:
    """Every check by its name; all ranks run all of them in this order."""
    gpu = rank.device != "cpu"
    speed = {} if gpu else {"speed of bf16": _bf16_speed}
    return {
        "nccl" if gpu else "gloo": partial(_group, rank),
        "bf16": partial(_bf16, rank),
        **speed,
        "packing": partial(_packing, rank),
        "attention": partial(_attention, rank),
        "training in fp32": partial(_trains_alike, rank, Precision.fp32, 1),
        "training in bf16": partial(_trains_alike, rank, Precision.bf16, 2),
        "backend hf": partial(_generates_alike, rank),
        "backend paged": partial(_pages, rank),
    }


def _group(rank: Rank) -> str:
    import torch
    import torch.distributed as dist

    given = torch.full((1000,), float(rank.index + 1), device=rank.device)
    dist.all_reduce(given)
    if not bool((given == rank.world * (rank.world + 1) / 2).all()):
        raise Wrong("the sum over the ranks is another one")
    return f"{rank.world} rank{'s' if rank.world > 1 else ''}"


def _bf16(rank: Rank) -> str:
    import torch

    model, ids = random_llama().to(rank.device), torch.tensor([prompts()[-1]], device=rank.device)
    with torch.no_grad():
        exact = model(ids).logits
        rounded = model.to(torch.bfloat16)(ids).logits.float()
    error = float((rounded - exact).abs().max() / exact.abs().max())
    if not error <= BF16_TOLERANCE:
        raise Wrong(f"logits are off by {error:.0%}")
    return f"logits within {error:.1%} of fp32"


def _bf16_speed() -> str:
    times = block_times(BLOCK, TOKENS)
    share = times.bf16 / times.fp32
    return f"a block of width {BLOCK.hidden} takes {share:.1f} x the time that it takes in fp32"


def _packing(rank: Rank) -> str:
    import torch

    from harness.train.engine.probe import packing_fault

    for precision, kind in ((Precision.fp32, torch.float32), (Precision.bf16, torch.bfloat16)):
        model = random_llama().to(rank.device, kind)
        fault = packing_fault(model, VOCABULARY, rank.device, precision)
        if fault is not None:
            raise Wrong(f"training pads rows, and is slower: {fault}")
    return "rows that share a sequence do not see each other"


def _attention(rank: Rank) -> str:
    from harness.models.attention import varlen
    from harness.models.attention.choice import maskless_kernels
    from harness.models.attention.kernel import kernel_fault

    names = [] if rank.device == "cpu" else maskless_kernels()
    if kernel := varlen.kernel():
        varlen.offer(kernel)
    for name in names:
        if fault := kernel_fault(name, random_llama().config, rank.device):
            raise Wrong(f"{name}: {fault}; training attends packed rows in a slower way")
    return f"packed rows by {names[0] if names else 'one call for each example'}"


def _trains_alike(rank: Rank, precision: Precision, zero: int) -> str:
    import torch

    first, second = (_trained(rank, precision, zero) for _ in range(2))
    if any(not torch.equal(first[name], second[name]) for name in first):
        raise Wrong("two identical runs end with different weights")
    return f"ZeRO {zero}; two identical runs end with the same bytes"


def _trained(rank: Rank, precision: Precision, zero: int) -> dict[str, Any]:
    """Weights after a few steps, flat, fp32."""
    import torch
    from torch.nn.functional import cross_entropy

    from harness.data.batches import pack
    from harness.train.engine.core import Engine

    settings = EngineConfig(zero_stage=zero, precision=precision, ranks=rank.world)
    engine = Engine(random_llama(), settings, TrainConfig(learning_rate=1e-3), rank)
    try:
        batch = pack(examples()).to(rank.device)
        for _ in range(STEPS):
            logits = engine.forward(**batch.inputs).logits
            answers = logits[batch.answer_rows, batch.answer_columns].float()
            engine.backward(cross_entropy(answers, batch.targets) / rank.world, last=True)
            engine.step(1e-3)
        named = dict(engine.module.named_parameters())
        return {name: torch.cat(list(engine.master_pieces(name, p))) for name, p in named.items()}
    finally:
        engine.destroy()


def _plain(rank: Rank) -> Any:
    from harness.generation.batches import Limits
    from harness.generation.hf import HuggingFaceBackend

    return HuggingFaceBackend(random_llama().to(rank.device), None, EOS, Limits(4, 1024))


def _generates_alike(rank: Rank) -> str:
    from harness.generation.backend import Sampling

    first, second = (_plain(rank).generate(prompts(), Sampling(8), _silent) for _ in range(2))
    if first != second:
        raise Wrong("two identical runs give different answers")
    return "two identical runs give the same answers"


def _pages(rank: Rank) -> str:
    from harness.generation.backend import Sampling
    from harness.generation.paged import PagedBackend

    plain = _plain(rank)
    alone = plain.generate(prompts(), Sampling(8), _silent)
    if PagedBackend(plain, 4).generate(prompts(), Sampling(8), _silent) != alone:
        raise Wrong("its answers are not those of backend hf, in fp32")
    return "its answers are those of backend hf, in fp32"


def _silent(count: int) -> None:
    """Nobody watches."""


if __name__ == "__main__":
    main(sys.argv[1:])
