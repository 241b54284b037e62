"""Models and rows of the benchmarks: random Llamas of a seed with a tokenizer of their own, on the
rows of TRACE where they are here, else on those of the embedded tasks."""

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from harness.config.places import PACKAGE
from harness.data.encoding import Example, PromptFormat

TRACE = (
    "C-STANCE",
    "FOMC",
    "MeetingBank",
    "Py150",
    "ScienceQA",
    "NumGLUE-cm",
    "NumGLUE-ds",
    "20Minuten",
)
MICRO = PACKAGE / "data" / "micro" / "data"
PROMPT, ANSWER = 512, 128  # most tokens
SHORT = 256  # tokens of the rows that a model learns from
BOS = "<s>"
VOCABULARY, CONTEXT = 4096, 4096
# Sizes of a Llama with this vocabulary: 0.6, 3.4 and 15 million weights.
TINY = {"hidden_size": 64, "intermediate_size": 176, "num_hidden_layers": 2, "heads": 2}
SMALL = {"hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 6, "heads": 6}
MEDIUM = {"hidden_size": 320, "intermediate_size": 1664, "num_hidden_layers": 6, "heads": 5}

Row = dict[str, str]


def check_data(data: Path | None) -> None:
    """Say which tasks a folder lacks; end the program where it lacks all."""
    if data is None:
        return
    files = ("train.json", "test.json")
    absent = [name for name in TRACE if not all((data / name / f).is_file() for f in files)]
    if len(absent) == len(TRACE):
        raise SystemExit(f"--data={data}: none of TRACE's tasks is there")
    if absent:
        print(f"--data={data}: left out, not there: {', '.join(absent)}")


def task_rows(data: Path | None, split: str, count: int) -> dict[str, list[Row]]:
    """Task -> its first rows. A prompt's leading BOS is taken off: packages differ in whether they
    add another one."""
    folders = [data / name for name in TRACE] if data else sorted(MICRO.iterdir())
    found = {}
    for folder in folders:
        if (folder / f"{split}.json").is_file():
            rows = islice(json.loads((folder / f"{split}.json").read_text()), count)
            found[folder.name] = [
                {"prompt": row["prompt"].removeprefix(BOS).lstrip(), "answer": row["answer"]}
                for row in rows
            ]
    return found


def make_tokenizer(data: Path | None, vocabulary: int = VOCABULARY) -> Any:
    """Byte-level BPE of the training rows, as the embedded model's is made."""
    from harness.data.micro.tokenizer import build_tokenizer

    rows = [row for rows in task_rows(data, "train", 500).values() for row in rows]
    texts = (f"{row['prompt']}\n{row['answer']}".replace(BOS, "") for row in rows)
    tokenizer = build_tokenizer(texts, vocabulary)
    tokenizer.model_max_length = CONTEXT
    return tokenizer


def prompt_format(folder: Path) -> PromptFormat:
    """How our package encodes for the model of a folder."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return PromptFormat(tokenizer, tokenizer.eos_token_id)


def make_model(
    place: Path, name: str, data: Path | None, sizes: Mapping[str, int], steps: int = 0
) -> Path:
    """A Llama with the tokenizer of the rows, drawn from seed 0 and trained for so many steps of 16
    rows; its folder in `place`, made where it is not there yet. The folder's name says of which
    data, sizes and steps it came, so that it never stands for another."""
    from transformers import GenerationConfig

    from harness.data.micro.pretrain import micro_llama
    from harness.store.folders import appearing

    source = json.dumps([str(data and data.absolute()), dict(sizes), steps])
    folder = place / f"{name}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
    if (folder / "config.json").is_file():
        return folder
    tokenizer = make_tokenizer(data)
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    model = micro_llama(len(tokenizer), *ids.values(), _keys(sizes))
    if steps:
        format_ = PromptFormat(tokenizer, tokenizer.eos_token_id)
        _train(model, encoded(format_, task_rows(data, "train", 200)), steps)
    model.generation_config = GenerationConfig(**ids, pad_token_id=tokenizer.eos_token_id)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with appearing(folder) as made:
        model.save_pretrained(made)
        tokenizer.save_pretrained(made)
    return folder


def _keys(sizes: Mapping[str, int]) -> dict[str, Any]:
    """Sizes as transformers names them."""
    sizes = dict(sizes)
    heads = sizes.pop("heads")
    both = {"num_attention_heads": heads, "num_key_value_heads": heads}
    return {**sizes, **both, "max_position_embeddings": CONTEXT, "tie_word_embeddings": False}


def encoded(prompts: PromptFormat, rows: Mapping[str, Sequence[Row]]) -> list[Example]:
    """All rows, task after task, cut to `PROMPT` and `ANSWER` tokens."""
    return [
        prompts.example(row["prompt"], row["answer"], PROMPT, ANSWER)
        for some in rows.values()
        for row in some
    ]


def _train(model: Any, examples: Sequence[Example], steps: int) -> None:
    """Steps of 16 short rows at a falling rate, enough to answer in the tasks' form and to end."""
    import torch

    from harness.data.micro.pretrain import rate_at, train_step

    source = random.Random(0)
    short = [one for one in examples if len(one) <= SHORT]
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95))
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate_at(step, steps)
        chosen = source.sample(short, 16)
        train_step(model, optimizer, [(one.prompt_ids, one.answer_ids) for one in chosen])
    model.eval()
