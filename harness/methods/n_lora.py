"""N-LoRA: sparse updates, so that those of different tasks do not meet in the same weights.

"Is Parameter Collision Hindering Continual Learning in LLMs?" (arXiv 2410.10179). Every task has a
fresh adapter beside the frozen earlier ones, D_t = B_t A_t is its update (without alpha / rank),
and the loss gains, for each adapted layer,

    paper:    strength sum |B_t A_t|   (L1 of the update, section 4)
    upstream: strength sum |A_t B_t|   (what the released code computes)
    delta:    strength sum |D_t| * |D_1 + .. + D_{t-1}|   (ours: collisions themselves)
    cosine:   strength that sum / (|D_t|_2 |D_1 + .. + D_{t-1}|_2)

The released code multiplies the other way round: [rank, rank], which is not the update's size and
exists where a layer has as many inputs as outputs. (c A, B / c) leaves all four as they are. The
first two make every update small, whether it meets an earlier one or not; delta is nothing where no
earlier update is, and vanishes with D_t; cosine does not change with the size of D_t. One layer's
update is made whole at a time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from harness.config import AdapterConfig
from harness.config.ranges import require_range
from harness.errors import ConfigError, StageFailed
from harness.methods.needs import Adapter, Needs
from harness.methods.shared.beside import Beside, add_gradients, penalty_gradients, penalty_value
from harness.methods.stage import Stage
from harness.methods.view import State
from harness.models.adapters.lora import partner_of

if TYPE_CHECKING:
    from torch import Tensor

SMALLEST = 1e-12  # of a norm that is divided by


class Penalty(Enum):
    paper = "paper"
    upstream = "upstream"
    cosine = "cosine"
    delta = "delta"


@dataclass
class NLoRA(Beside):
    """Penalise the update's absolute values, or its collisions with earlier updates.

    strength: lambda, 0 or more; the released scripts take 0.4 (T5) and 0.46 (LLaMA) with upstream,
        and the forms are of very different size.
    penalty: paper | upstream | cosine | delta.
    """

    strength: float = 0.4
    penalty: Penalty = Penalty.paper

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("strength", self.strength, 0)
        self.adapted: list[str] = []

    @property
    def _compares(self) -> bool:
        return self.penalty in (Penalty.cosine, Penalty.delta)

    def needs(self) -> Needs:
        active = self.strength > 0
        return Needs(
            history=active and self._compares, adapter=Adapter.stacked, adds_gradient=active
        )

    def join_adapter(self, adapter: AdapterConfig | None) -> None:
        self.adapted = [] if adapter is None else list(adapter.targets)

    def check_model(self, description: Mapping[str, Any]) -> None:
        width, heads = description.get("hidden_size"), description.get("num_attention_heads")
        if self.penalty is not Penalty.upstream or not width or not heads:
            return
        size = description.get("head_dim") or width // heads
        shared = (description.get("num_key_value_heads") or heads) * size
        outputs = {"q_proj": heads * size, "k_proj": shared, "v_proj": shared}
        for name in self.adapted:
            if outputs.get(name, width) != width:
                raise ConfigError(
                    f"penalty=upstream: it exists for layers with as many outputs as inputs, and "
                    f"{name} has {outputs[name]} for {width}; use penalty=paper"
                )

    def kept_factors(self) -> str:
        return "AB" if self._compares else ""

    def running(self) -> State:
        return super().running()  # its hook keeps nothing

    def gradients(self, stage: Stage) -> None:
        if self.strength > 0:
            add_gradients(stage.view, penalty_gradients(stage.view, self._penalty))

    def figures(self, stage: Stage) -> dict[str, float]:
        """penalty: what the loss gains."""
        return {"penalty": penalty_value(stage.view, self._penalty) if self.strength > 0 else 0.0}

    def _penalty(self, name: str, a: "Tensor", b: "Tensor") -> "Tensor | None":
        if self.penalty is Penalty.paper:
            return self.strength * (b @ a).abs().sum()
        if self.penalty is Penalty.upstream:
            if a.shape[1] != b.shape[0]:
                raise StageFailed(
                    f"{name}: penalty=upstream multiplies A {list(a.shape)} by B {list(b.shape)}, "
                    "which exists for layers with as many outputs as inputs; use penalty=paper"
                )
            return self.strength * (a @ b).abs().sum()
        if name not in self.earlier:
            return None
        size, old = (b @ a).abs(), (self.earlier[partner_of(name)] @ self.earlier[name]).abs()
        met = (size * old).sum()
        if self.penalty is Penalty.delta:
            return self.strength * met
        return self.strength * met / (size.norm() * old.norm()).clamp_min(SMALLEST)
