"""Who answers in the scoring benchmark: our backend as runs use it, lm-eval's own class, plain
`generate` of transformers, and TRACE's protocol. Each takes lm-eval's requests and gives what
`Given` says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.rounds import Stopwatch
from bench.slots import Slots
from bench.suites import Suite

SORTED_BATCH, TRACE_BATCH, TRACE_CAP = 16, 4, 512


@dataclass
class Given:
    """texts of generations, or (log probability, greedy) of likelihoods, in the requests' order;
    ids: of the new tokens, where the contestant gives them. slots: token places that went through
    the model, padding included."""

    watch: Stopwatch
    answers: list[Any]
    ids: list[list[int]] = field(default_factory=list)
    slots: int = 0


def ours(suite: Suite, folder: Path, batch: int | None) -> Given:
    """The path of a run: lm-eval's requests as ids, in chunks, with the default batches."""
    from harness.config.compose.compose import load
    from harness.evaluation.evaluator import Evaluator
    from harness.evaluation.language_model import Asker
    from harness.generation.choice import chunk_tokens
    from harness.generation.requests import requests_of

    config = load([f"model.path={folder}", "engine.device=cpu"])
    evaluator = Evaluator(config, folder, "cpu")
    slots, instances = Slots(evaluator.backend.model), suite.instances()
    with Stopwatch() as watch:
        asker = Asker(evaluator.prompts, evaluator.backend.context, None)
        asked = asker.ask(suite.kind, instances)
        requests = requests_of(asked.calls, chunk_tokens(config.eval))
        chunks = [evaluator.answer(requests, c, None, lambda n: None) for c in requests.chunks]
        gathered = requests.gathered([one.given for one in chunks])
        answers = asked.respond(gathered)
    ids = gathered[0] if suite.kind == "generate_until" else []
    return Given(watch, answers, ids, slots.count)


def stock(suite: Suite, folder: Path, batch: int | None) -> Given:
    """lm-eval's `--model hf`."""
    import logging

    from lm_eval.models.huggingface import HFLM

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    model = HFLM(str(folder), device="cpu", dtype="float32", batch_size=batch)
    slots, instances = Slots(model.model), suite.instances()
    with Stopwatch() as watch:
        answers = getattr(model, suite.kind)(instances, disable_tqdm=True)
    return Given(watch, answers, slots=slots.count)


def hf_generate(suite: Suite, folder: Path, batch: int | None) -> Given:
    """`generate` on prompts sorted by length, left-padded, the longest first."""
    return _generate(suite, folder, SORTED_BATCH, suite.cap, ordered=True)


def trace_protocol(suite: Suite, folder: Path, batch: int | None) -> Given:
    """As TRACE's code infers, from its description: prompts in the order of the file, four at a
    time, padded on the left, up to 512 new tokens for every task, no stop texts. It draws at
    temperature 0.1; greedily here, so that answers can be compared."""
    return _generate(suite, folder, TRACE_BATCH, TRACE_CAP, ordered=False)


def _generate(suite: Suite, folder: Path, batch: int, cap: int, ordered: bool) -> Given:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    tokenizer.pad_token = tokenizer.eos_token
    slots, prompts = Slots(model), [prompt for prompt, _ in suite.rows]
    made: dict[int, list[int]] = {}
    with Stopwatch() as watch:
        order = list(range(len(prompts)))
        if ordered:
            lengths = [len(ids) for ids in tokenizer(prompts)["input_ids"]]
            order.sort(key=lambda row: -lengths[row])
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            fed = tokenizer([prompts[row] for row in rows], padding=True, return_tensors="pt")
            fed.pop("token_type_ids", None)
            out = model.generate(**fed, max_new_tokens=cap, do_sample=False)
            new = out[:, fed["input_ids"].shape[1] :].tolist()
            made |= {row: _before(ids, tokenizer.eos_token_id) for row, ids in zip(rows, new)}  # noqa: B905
        ids = [made[row][: suite.cap] for row in range(len(prompts))]
        texts = tokenizer.batch_decode(ids, skip_special_tokens=True)
    return Given(watch, texts, ids, slots.count)


def _before(ids: Sequence[int], end: int) -> list[int]:
    return list(ids[: ids.index(end)]) if end in ids else list(ids)


CONTESTANTS: dict[str, Callable[[Suite, Path, int | None], Given]] = {
    one.__name__: one for one in (ours, stock, hf_generate, trace_protocol)
}
