"""Frozen weights get no gradient, so that optimizer and clipping pass them over."""

import random

from plain import Reference, Run

from harness.data.randomness import derive_seed

T5_BLOCKS = (("encoder", 2), ("decoder", 3))
ATTENTION, FORWARD = ("q_proj", "k_proj", "v_proj", "o_proj"), ("gate_proj", "up_proj", "down_proj")


class Freeze(Reference):
    """arXiv 2501.13453: the first block (with an adapter: its factors there) and the embeddings,
    from the second task on."""

    def edit(self, run: Run, step: int) -> None:
        for name, p in run.params.items():
            if run.earlier and ("layers.0." in name or "embed_tokens" in name):
                p.grad = None


class HFT(Reference):
    """arXiv 2404.18466, category level, on a Llama of two blocks."""

    def before_task(self, run: Run) -> None:
        draw = random.Random(derive_seed("hft", 0, len(run.earlier) + 1))
        two_of_three = set(draw.sample(range(2), 1))
        self.frozen = set()
        for block in range(2):
            at = f"model.layers.{block}"
            self.frozen.update(draw.sample([f"{at}.self_attn.{m}.weight" for m in ATTENTION], 2))
            count = 2 if block in two_of_three else 1
            self.frozen.update(draw.sample([f"{at}.mlp.{m}.weight" for m in FORWARD], count))
        norms = [name for name in run.params if "norm" in name]
        self.frozen.update(draw.sample(norms, len(norms) // 2))

    def edit(self, run: Run, step: int) -> None:
        for name in self.frozen:
            run.params[name].grad = None


class T5Freeze(Reference):
    """The encoder's first block and the embeddings, with which the head is tied."""

    def edit(self, run: Run, step: int) -> None:
        for name, p in run.params.items():
            if run.earlier and (name.startswith("encoder.block.0.") or name == "shared.weight"):
                p.grad = None


class T5HFT(HFT):
    """The same on a T5 without gates, whose feed-forward part has two matrices in a block: half of
    them is one. Blocks are the encoder's, then the decoder's, which attend twice."""

    def before_task(self, run: Run) -> None:
        draw = random.Random(derive_seed("hft", 0, len(run.earlier) + 1))
        draw.sample(range(5), 2)  # of blocks, which would say more where halves are uneven
        self.frozen = set()
        for side, count in T5_BLOCKS:
            for block in range(count):
                at = f"{side}.block.{block}.layer"
                parts = ["0.SelfAttention"] + ["1.EncDecAttention"] * (side == "decoder")
                attention = [f"{at}.{part}.{m}.weight" for part in parts for m in "qkvo"]
                self.frozen.update(draw.sample(attention, len(attention) // 2))
                forward = f"{at}.{len(parts)}.DenseReluDense"
                self.frozen.update(draw.sample([f"{forward}.{m}.weight" for m in ("wi", "wo")], 1))
        norms = [name for name in run.params if "norm" in name]
        self.frozen.update(draw.sample(norms, len(norms) // 2))
