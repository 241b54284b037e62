"""The sweep that is soaked: its words, and how often what happens to it."""

from dataclasses import dataclass, fields

from harness.config import HarnessConfig
from soaking.blows import Kind


@dataclass(frozen=True)
class Sweep:
    """Overrides of `harness -m`; kills and kinds of disturbances of each ZeRO stage. timeout:
    minutes after which a rank misses another one."""

    words: tuple[str, ...]
    zeros: tuple[int, ...]
    kills: int
    others: tuple[Kind, ...]
    ranks: int = 2
    timeout: float = 1.0

    def overrides(self, zero: int) -> list[str]:
        """Of one ZeRO stage."""
        fixed = [f"engine=zero{zero}", f"engine.ranks={self.ranks}", "engine.threads=1"]
        fixed += [f"engine.timeout_minutes={self.timeout:g}", "store.keep=all"]
        return [*self.words, *fixed, *retries()]


def retries() -> list[str]:
    """Every launch is counted, so none is started again within a command."""
    known = any(field.name == "run" for field in fields(HarnessConfig))
    return ["run.retries=0"] if known else []


OTHERS = tuple(kind for kind in Kind if kind is not Kind.kill)
_CELLS = ("sequence=micro2", "suite=[]", "eval.limit=32", "eval.batch_size=8")


def full_sweep(kills: int) -> Sweep:
    """Four methods and three seeds at three ZeRO stages."""
    zeros = (0, 2, 3)
    words = ("method=seqft,lora_seqft,replay,ewc", "seed=0,1,2", *_CELLS, "train.max_steps=24")
    return Sweep((*words, "train.checkpoint_steps=3"), zeros, -(-kills // len(zeros)), OTHERS)


def small_sweep(kills: int) -> Sweep:
    """A trial."""
    words = ("method=seqft,replay", "seed=0", *_CELLS, "train.max_steps=12")
    others = (Kind.full, Kind.flipped_node, Kind.cut_checkpoint, Kind.goes_on)
    return Sweep((*words, "train.checkpoint_steps=2"), (2,), kills, others)
