"""What the scoring benchmark asks: requests as lm-eval makes them, of TRACE's rows and of the
publishers' files."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bench.material import PROMPT, task_rows
from harness.data.demonstrations import with_demonstrations
from harness.data.encoding import PromptFormat
from harness.evaluation.material import Material, read_material

SLACK = 16  # tokens by which a text that was cut may grow when it is encoded again
SHOWN, SHOWN_TOKENS = 6, 96


@dataclass(frozen=True)
class Suite:
    """Requests of one kind, 'generate_until' or 'loglikelihood'. rows: prompt and continuation;
    of generations only the prompt is asked. items: which item a row is a choice of. cap: most new
    tokens; until: stop texts."""

    name: str
    kind: str
    rows: list[tuple[str, str]]
    items: list[int]
    cap: int = 0
    until: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> "Suite":
        found = json.loads(path.read_text())
        rows = [(prompt, continuation) for prompt, continuation in found["rows"]]
        return cls(**found | {"rows": rows, "until": tuple(found["until"])})

    def instances(self) -> list[Any]:
        """lm-eval's own requests."""
        from lm_eval.api.instance import Instance

        options = {"until": list(self.until), "max_gen_toks": self.cap, "do_sample": False}
        generated = self.kind == "generate_until"
        return [
            Instance(self.kind, {}, (prompt, dict(options) if generated else continuation), index)
            for index, (prompt, continuation) in enumerate(self.rows)
        ]


@dataclass(frozen=True)
class Source:
    """Where rows come from, and how many of them: a few in a trial. items: of each task of TRACE
    that is generated for."""

    prompts: PromptFormat
    data: Path | None
    suites: Path | None
    small: bool
    items: int = 64

    def few(self, count: int, small: int) -> int:
        return small if self.small else count


def generation(source: Source) -> Suite:
    """Test prompts of all tasks in turn, cut to `PROMPT` tokens; answers of up to 128 tokens."""
    return _generated(
        "generation", _prompts(source, source.few(source.items, 1)), source.few(128, 12)
    )


def in_context(source: Source) -> Suite:
    """The same behind six solved rows of their task."""
    rows = []
    shown = task_rows(source.data, "train", SHOWN)
    for task, asked in task_rows(source.data, "test", source.few(8, 3)).items():
        solved = [_short(source.prompts, row) for row in shown[task]]
        last = (source.prompts.last(row["prompt"], PROMPT - SLACK) for row in asked)
        rows += [with_demonstrations(prompt, solved, None) for prompt in last]
    return _generated("in_context", rows, source.few(64, 8))


def choices(source: Source) -> Suite:
    """Solved rows of a task before each of its prompts, its different answers as choices."""
    task, shown = next(iter(task_rows(source.data, "train", 40).items()))
    answers = sorted({row["answer"] for row in shown})
    asked = task_rows(source.data, "test", source.few(40, 6))[task]
    solved = [_short(source.prompts, row) for row in shown[:SHOWN]]
    prompts = [with_demonstrations(row["prompt"], solved, None) for row in asked]
    return _chosen("choices", ((prompt, answers) for prompt in prompts))


def gsm8k(source: Source) -> Suite:
    return _read(source, "gsm8k", "gsm8k", shots=8, count=source.few(24, 3), cap=128)


def bbh(source: Source) -> Suite:
    return _read(source, "bbh", "bbh", shots=3, count=source.few(2, 1), cap=128)


def mmlu_4(source: Source) -> Suite:
    """Four items of every third subject."""
    return _read(source, "mmlu_4", "mmlu", shots=5, count=4, every=source.few(3, 20))


def mmlu_40(source: Source) -> Suite:
    """Forty items of three subjects."""
    return _read(source, "mmlu_40", "mmlu", shots=5, count=source.few(40, 6), every=20)


def piqa(source: Source) -> Suite:
    return _read(source, "piqa", "piqa", count=source.few(100, 6))


def boolq(source: Source) -> Suite:
    return _read(source, "boolq", "boolq", count=source.few(100, 4))


MADE: dict[str, Callable[[Source], Suite]] = {
    one.__name__: one
    for one in (generation, choices, mmlu_4, mmlu_40, piqa, boolq, gsm8k, bbh, in_context)
}
FOLDERS = {"mmlu_4": "mmlu", "mmlu_40": "mmlu"} | {n: n for n in ("piqa", "boolq", "gsm8k", "bbh")}


def missing(name: str, suites: Path | None) -> str | None:
    """Why a suite cannot be asked; None where it can."""
    folder = FOLDERS.get(name)
    if folder is None or (suites is not None and (suites / "general" / folder).is_dir()):
        return None
    if suites is None:
        return "SUITE_DATA is not set, nor is --suites given"
    return f"--suites={suites} holds no folder general/{folder}"


def _read(
    source: Source, name: str, reader: str, count: int, shots: int = 0, every: int = 1, cap: int = 0
) -> Suite:
    """`count` items of every so-manieth part of a publisher's benchmark."""
    assert source.suites is not None
    material: Material = read_material(reader, source.suites / "general" / reader, shots)
    parts = list(material.parts.values())[::every]
    rows = [row for part in parts for row in part[:count]]
    if material.task["output_type"] == "multiple_choice":
        return _chosen(name, ((row["prompt"], row["choices"]) for row in rows))
    until = tuple(material.task["generation_kwargs"]["until"])
    return _generated(name, [row["prompt"] for row in rows], source.few(cap, 8), until)


def _generated(name: str, prompts: list[str], cap: int, until: tuple[str, ...] = ()) -> Suite:
    rows = [(prompt, "") for prompt in prompts]
    return Suite(name, "generate_until", rows, list(range(len(rows))), cap, until)


def _chosen(name: str, asked: Iterable[tuple[str, list[str]]]) -> Suite:
    rows, items = [], []
    for item, (prompt, texts) in enumerate(asked):
        rows += [(prompt, f" {text}") for text in texts]
        items += [item] * len(texts)
    return Suite(name, "loglikelihood", rows, items)


def _prompts(source: Source, count: int) -> list[str]:
    found: dict[int, list[str]] = defaultdict(list)
    for rows in task_rows(source.data, "test", count).values():
        for place, row in enumerate(islice(rows, count)):
            found[place].append(source.prompts.last(row["prompt"], PROMPT - SLACK))
    return [prompt for place in sorted(found) for prompt in found[place]]


def _short(prompts: PromptFormat, row: dict[str, str]) -> dict[str, str]:
    """A solved row of few tokens."""
    answer = prompts.first(row["answer"], SHOWN_TOKENS // 2)
    return {"prompt": prompts.last(row["prompt"], SHOWN_TOKENS), "answer": answer}
