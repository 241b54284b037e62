"""Who trains in the training benchmark: our package, transformers' Trainer and TRL's SFTTrainer, on
the same batches of the same token ids with the same AdamW."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.material import ANSWER, PROMPT
from bench.rounds import Stopwatch
from bench.slots import Slots

RATE, BETAS, CLIP, BATCH = 1e-4, (0.9, 0.95), 1.0, 8
TRL_ROW = 1024  # tokens of a packed row


@dataclass
class Trained:
    """losses: of every step, a mean over its answer tokens. slots: token places of all passes."""

    watch: Stopwatch
    losses: list[float]
    slots: int


def write_ours(place: Path, rows: Sequence[dict[str, str]]) -> None:
    """The rows, a batch after the other, and the task that our package trains on."""
    (place / "conf" / "task").mkdir(parents=True, exist_ok=True)
    (place / "train.json").write_text(json.dumps(list(rows)))
    (place / "conf" / "task" / "mixed.yaml").write_text(
        "mixed:\n  folder: mixed\n  scorer: exact\n  headline: accuracy\n"
        f"  max_prompt_tokens: {PROMPT}\n  max_answer_tokens: {ANSWER}\n"
    )


def ours(request: dict[str, Any]) -> Trained:
    """One stage as runs train it, default settings; the order of the rows is the given one."""
    from harness.config.compose.compose import load
    from harness.train import loop
    from harness.train.engine.ranks import start
    from harness.train.job import Part, TrainJob
    from harness.train.stage import train_task
    from harness.train.training import Training

    os.environ |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}  # as a launcher would say
    place, out, steps = Path(request["place"]), Path(request["out"]), len(request["batches"])
    given = ["task=[mixed]", "suite=[]", f"model.path={request['model']}", f"data.root={place}"]
    given += [f"hydra.searchpath=[file://{place / 'conf'}]", f"train.batch_size={BATCH}"]
    given += [f"train.max_steps={steps}", *request["overrides"]]
    config = load(given)
    device, threads = request["device"], int(os.environ["OMP_NUM_THREADS"])
    rank = start(0, 1, device, str(out / "rendezvous"), 5.0, threads)
    loop.batch_indices = lambda seed, task, step, size, batch: range(
        step * BATCH, (step + 1) * BATCH
    )
    counts: list[Slots] = []
    watch, run = Stopwatch(), Training.run

    def running(training: Any, *asked: Any) -> None:
        counts.append(Slots(training.engine.module))
        with watch:
            run(training, *asked)

    Training.run = running
    parts = [Part("mixed", place / "train.json", 1)]
    folder = out / "model"
    folder.mkdir()
    parent = Path(request["model"])
    job = TrainJob(config, 1, "mixed", parts, RATE, parent, [], True)
    train_task(job, folder, rank, lambda done, total: None)
    log = json.loads((folder / "training.json").read_text())["steps"]
    return Trained(watch, [step["loss"] for step in log], counts[0].count)


def trainer(request: dict[str, Any]) -> Trained:
    """transformers' Trainer on padded rows."""
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    model, tokenizer, examples = _given(request)
    arguments = TrainingArguments(**_arguments(request))
    collator = DataCollatorForSeq2Seq(tokenizer)
    kind, data = _on_batches(Trainer, request["batches"]), _dataset(examples)
    made = kind(model=model, args=arguments, train_dataset=data, data_collator=collator)
    return _run(made, request)


def trl_padding_free(request: dict[str, Any]) -> Trained:
    """SFTTrainer, the rows of a step end to end in one."""
    batches = request["batches"]
    return _trl(request, batches, padding_free=True, max_length=None)


def trl_accumulate(request: dict[str, Any]) -> Trained:
    """SFTTrainer, one row at a time and the gradients of a step summed: nothing is padded."""
    batches = [[row] for batch in request["batches"] for row in batch]
    each = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": BATCH}
    return _trl(request, batches, **each, max_length=None)


def trl_bfd(request: dict[str, Any]) -> Trained:
    """SFTTrainer, the rows of a step packed by its `bfd`."""
    from datasets import concatenate_datasets
    from trl.data_utils import pack_dataset

    data, rows, batches = _dataset(request["examples"]), [], []
    for batch in request["batches"]:
        packed = pack_dataset(data.select(batch), TRL_ROW, "bfd")
        first = sum(map(len, rows))
        batches.append(list(range(first, first + len(packed))))
        rows.append(packed)
    options = {"packing": True, "packing_strategy": "bfd", "max_length": TRL_ROW}
    return _trl(request, batches, concatenate_datasets(rows), **options)


CONTESTANTS: dict[str, Callable[[dict[str, Any]], Trained]] = {
    one.__name__: one for one in (ours, trainer, trl_bfd, trl_padding_free, trl_accumulate)
}


def _trl(
    request: dict[str, Any], batches: list[list[int]], data: Any = None, **own: Any
) -> Trained:
    from trl import SFTConfig, SFTTrainer

    model, tokenizer, examples = _given(request)
    given = _arguments(request) | {"dataset_kwargs": {"skip_prepare_dataset": True}} | own
    kind = _on_batches(SFTTrainer, batches)
    made = kind(
        model=model,
        args=SFTConfig(**given),
        train_dataset=_dataset(examples) if data is None else data,
        processing_class=tokenizer,
    )
    return _run(made, request)


def _given(request: dict[str, Any]) -> tuple[Any, Any, list[Any]]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(request["model"], dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(request["model"])
    tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer, request["examples"]


def _dataset(examples: Sequence[tuple[list[int], list[int]]]) -> Any:
    from datasets import Dataset

    ids = [prompt + answer for prompt, answer in examples]
    labels = [[-100] * len(prompt) + answer for prompt, answer in examples]
    return Dataset.from_dict({"input_ids": ids, "labels": labels})


def _arguments(request: dict[str, Any]) -> dict[str, Any]:
    """Of both trainers: the optimizer of our defaults, losses of all steps, no reports."""
    return {
        "output_dir": str(Path(request["out"]) / "model"),
        "per_device_train_batch_size": BATCH,
        "max_steps": len(request["batches"]),
        "learning_rate": RATE,
        "lr_scheduler_type": "constant",
        "adam_beta1": BETAS[0],
        "adam_beta2": BETAS[1],
        "weight_decay": 0.0,
        "max_grad_norm": CLIP,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
    }


def _on_batches(kind: type, batches: list[list[int]]) -> type:
    """A trainer whose batches are the given ones."""

    class Prescribed(kind):
        def get_train_dataloader(self) -> Any:
            from torch.utils.data import DataLoader

            collate = self.data_collator
            return DataLoader(self.train_dataset, batch_sampler=batches, collate_fn=collate)

    return Prescribed


def _run(made: Any, request: dict[str, Any]) -> Trained:
    """Train and save; the watch runs from the first step to the end of the last."""
    from transformers import TrainerCallback

    watch, slots = Stopwatch(), Slots(made.model)

    class Timed(TrainerCallback):
        def on_train_begin(self, *given: Any, **named: Any) -> None:
            slots.count = 0
            watch.start()

        def on_train_end(self, *given: Any, **named: Any) -> None:
            watch.stop()

    made.add_callback(Timed())
    made.train()
    made.save_model()
    losses = [line["loss"] for line in made.state.log_history if "loss" in line]
    return Trained(watch, losses, slots.count)
