"""Training in plain PyTorch: one process, whole tensors, examples one by one, no harness code but
the definition of which rows a step sees. References of methods are subclasses of `Reference`."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from harness.data.order import batch_indices

BATCH, RATE, STEPS = 8, 1e-3, 5
EPS = 1e-6  # at AdamW's 1e-8 rounding of tiny gradients becomes whole steps
Rows = list[dict[str, str]]
Tensors = dict[str, torch.Tensor]


def read(data: Path, task: str) -> Rows:
    """Training rows of a task; for joint training (`a+b`) of one task after the other."""
    files = (data / name / "train.json" for name in task.split("+"))
    return [row for file in files for row in json.loads(file.read_text())]


class Lora(torch.nn.Module):
    """y = W x + (alpha / r) B A x with W frozen (arXiv 2106.09685, eq. 3)."""

    def __init__(self, linear: torch.nn.Linear, a: torch.Tensor, alpha: float) -> None:
        super().__init__()
        self.linear = linear
        self.lora_A = torch.nn.Parameter(a.clone())
        self.lora_B = torch.nn.Parameter(torch.zeros(linear.out_features, a.shape[0]))
        self.scale = alpha / a.shape[0]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + self.scale * (x @ self.lora_A.T) @ self.lora_B.T


class Reference:
    """Sequential fine-tuning; a method overrides hooks that see the whole run."""

    def extra(self, run: "Run", row: dict[str, str]) -> torch.Tensor:
        """What the row adds to the summed loss of its answer tokens."""
        return torch.zeros(())

    def exported(self, run: "Run") -> Tensors:
        """The weights of a stage as they are written."""
        return run.copy()

    def rows(self, run: "Run") -> Rows:
        """What the task trains on; `run.task`, `run.own` and `run.earlier` say what there is."""
        return run.own

    def passes(self, run: "Run") -> list[tuple[str, Rows, int]]:
        """Name (which the order of rows hangs on), rows and steps of every pass of the task."""
        return [(run.task, self.rows(run), STEPS)]

    def before_task(self, run: "Run") -> None: ...

    def edit(self, run: "Run", step: int) -> None:
        """`p.grad` of every parameter is there, clipping is next."""

    def after_step(self, run: "Run", step: int) -> None: ...

    def after_task(self, run: "Run") -> None: ...


class Run:
    """One model on its way through the tasks.

    params: trained parameters by name; task, own: name and rows of the current task;
    earlier: (name, rows) of the tasks before.
    """

    family = AutoModelForCausalLM

    def __init__(
        self,
        folder: Path,
        first_a: Tensors | None,
        alpha: float = 32.0,
        next_a: Callable[[int], Tensors] | None = None,
    ) -> None:
        self.next_a = next_a  # initial A of every adapted module at a stage
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = self.family.from_pretrained(folder, dtype=torch.float32).train()
        self.model.requires_grad_(first_a is None)
        for name, a in (first_a or {}).items():
            parent, _, leaf = name.rpartition(".")
            linear = self.model.get_submodule(name)
            setattr(self.model.get_submodule(parent), leaf, Lora(linear, a, alpha))
        named = self.model.named_parameters()
        self.params = {name: p for name, p in named if p.requires_grad}
        self.earlier: list[tuple[str, Rows]] = []

    def copy(self) -> Tensors:
        return {name: p.detach().clone() for name, p in self.params.items()}

    def logits(self, row: dict[str, str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits [n, vocabulary] at the answer's tokens, and those tokens [n]."""
        prompt = self.tokenizer(row["prompt"])["input_ids"]
        answer = self.tokenizer(row["answer"], add_special_tokens=False)["input_ids"]
        answer = [*answer, self.tokenizer.eos_token_id]
        logits = self.model(torch.tensor([prompt + answer])).logits[0]
        return logits[len(prompt) - 1 : -1], torch.tensor(answer)

    def nll(self, row: dict[str, str]) -> tuple[torch.Tensor, int]:
        """Negative log-likelihood of the answer, summed over its tokens, and their number."""
        logits, answer = self.logits(row)
        return torch.nn.functional.cross_entropy(logits, answer, reduction="sum"), len(answer)

    def gradient(self, rows: Rows, method: Reference | None = None) -> Tensors:
        """Gradient of the mean loss over all answer tokens, with what `method` adds to it; `p.grad`
        is left alone."""
        sums = [self.nll(row) for row in rows]
        extra = sum(method.extra(self, row) for row in rows) if method else 0.0
        loss = (sum(total for total, _ in sums) + extra) / sum(count for _, count in sums)
        found = torch.autograd.grad(loss, list(self.params.values()))
        return dict(zip(self.params, found, strict=True))

    def step(self, rows: Rows, step: int, method: Reference) -> None:
        """One optimizer step on these rows."""
        self.batch = rows
        for name, grad in self.gradient(rows, method).items():
            self.params[name].grad = grad
        method.edit(self, step)
        torch.nn.utils.clip_grad_norm_(self.params.values(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            method.after_step(self, step)

    def train(self, stages: list[tuple[str, Rows]], method: Reference) -> list[Tensors]:
        """Weights after each task, seed 0."""
        after = []
        for self.task, self.own in stages:
            self.optimizer = torch.optim.AdamW(
                self.params.values(), lr=RATE, betas=(0.9, 0.95), eps=EPS, weight_decay=0.0
            )
            passes = method.passes(self)
            method.before_task(self)
            for name, rows, steps in passes:
                for step in range(steps):
                    chosen = batch_indices(0, name, step, len(rows), BATCH)
                    self.step([rows[i] for i in chosen], step, method)
            method.after_task(self)
            self.earlier.append((self.task, self.own))
            after.append(method.exported(self))
        return after


class Seq2seqRun(Run):
    """The same of an encoder-decoder, whose own class shifts the labels."""

    family = AutoModelForSeq2SeqLM

    def logits(self, row: dict[str, str]) -> tuple[torch.Tensor, torch.Tensor]:
        prompt = self.tokenizer(row["prompt"])["input_ids"]
        answer = torch.tensor(self.tokenizer(row["answer"])["input_ids"])  # EOS is behind both
        logits = self.model(torch.tensor([prompt]), labels=answer[None]).logits[0]
        return logits, answer


RUNS = {"llama": Run, "t5": Seq2seqRun, "flan": Seq2seqRun}
