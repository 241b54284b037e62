"""How much goes through the model at once, and what is said where memory does not hold it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from harness.config import EngineConfig, LossNorm, Offload, TrainConfig
from harness.data.batches import bins
from harness.data.encoding import Example
from harness.errors import OutOfMemory, StageFailed
from harness.models.memory import out_of_memory


@dataclass(frozen=True)
class Division:
    """How the examples of a step become forward passes of `world` ranks. halvings: how often what
    a pass takes is halved, since more did not fit; the step's loss is the same, to rounding, but
    dropout falls elsewhere."""

    train: TrainConfig
    packed: bool
    world: int
    halvings: int = 0

    @property
    def most(self) -> int:
        """What a pass takes at most: tokens of a packed row, which its longest example may exceed,
        or padded rows."""
        return -(-self._whole // 2**self.halvings)

    def told(self) -> str | None:
        """What is other than the configuration says; None where nothing is."""
        if self.most == self._whole:
            return None
        return (
            f"a pass takes at most {self.most} {self._unit} instead of {self._whole}, since more "
            "did not fit into memory"
        )

    def passes(self, examples: Sequence[Example]) -> list[tuple[list[Example], float]]:
        """The examples of each forward pass of a step, a multiple of `world` (none of an idle
        rank's), and what the mean loss of its answer tokens is divided by where micro-batches
        count alike."""
        if self.packed:
            rows = bins([len(example) for example in examples], self.most, self.world)
            count = sum(map(bool, rows))
            return [([examples[index] for index in row], float(count)) for row in rows]
        alike = self.train.loss_norm is LossNorm.micro_batch
        rows = list(examples) if alike else sorted(examples, key=len)
        # Micro-batches that count alike are those of the configuration, in pieces that fit.
        chunks = _cut(rows, self.train.micro_batch_size if alike else self.most)
        made = [
            (piece, len(chunks) * _answer_tokens(chunk) / _answer_tokens(piece))
            for chunk in chunks
            for piece in _cut(chunk, self.most)
        ]
        return made + [([], float(len(chunks)))] * (-len(made) % self.world)

    @contextmanager
    def fitting(self, examples: Sequence[Example], engine: EngineConfig) -> Iterator[None]:
        """What is computed of these examples. Raises OutOfMemory where memory runs out and smaller
        passes may fit, StageFailed where there are none."""
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            raise self._too_large(examples, engine) from error

    def _too_large(self, examples: Sequence[Example], engine: EngineConfig) -> StageFailed:
        rows, longest = self._largest(examples)
        kind = "packed" if self.packed else "padded"
        several = f"{rows} {kind} rows" if rows > 1 else f"one {kind} row"
        line = f"memory does not hold a step with {several} of {longest} tokens in a pass"
        if not self._can_be_smaller(examples):
            return StageFailed(f"{line}, the least there can be; {_ways_out(engine)}")
        smaller = replace(self, halvings=self.halvings + 1)
        return OutOfMemory(f"{line}; it is tried with at most {smaller.most} {self._unit}")

    def _can_be_smaller(self, examples: Sequence[Example]) -> bool:
        """Would the largest pass be, halved as often as one likes?"""
        rows, longest = self._largest(examples)
        finest = replace(self, halvings=self._whole.bit_length())
        few, short = finest._largest(examples)
        return few * short < rows * longest

    def _largest(self, examples: Sequence[Example]) -> tuple[int, int]:
        """Rows and their tokens of the largest pass."""
        passes = [group for group, _ in self.passes(examples) if group]
        sizes = [
            (1, sum(map(len, group))) if self.packed else (len(group), max(map(len, group)))
            for group in passes
        ]
        return max(sizes, key=lambda size: size[0] * size[1])

    @property
    def _whole(self) -> int:
        return self.train.pack_tokens if self.packed else self.train.micro_batch_size

    @property
    def _unit(self) -> str:
        return "tokens" if self.packed else "rows"


@contextmanager
def model_fitting(engine: EngineConfig) -> Iterator[None]:
    """What is there before a step. Raises StageFailed where memory does not hold it."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise StageFailed(
            "memory does not hold the model and what training keeps beside it; "
            f"{_ways_out(engine, steps=False)}"
        ) from error


def _ways_out(engine: EngineConfig, steps: bool = True) -> str:
    """Settings that take less memory. steps: is it a step that takes too much?"""
    ways = []
    if steps and not engine.gradient_checkpointing:
        ways.append("engine.gradient_checkpointing=true")
    if engine.zero_stage < 3:
        ways.append("engine.zero_stage=3")
    if engine.offload is not Offload.all:
        ways.append("engine.zero_stage=3 engine.offload=all")
    if steps:
        ways.append("a lower max_prompt_tokens or max_answer_tokens")
    ways.append("a device with more memory")
    return f"use {' or '.join(ways)} (`harness plan` reckons what fits)"


def _cut(rows: list[Example], size: int) -> list[list[Example]]:
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _answer_tokens(examples: Sequence[Example]) -> int:
    return sum(len(example.answer_ids) for example in examples)
