"""IFEval (arXiv 2311.07911): prompts with instructions that a program checks; the strict score of
whole prompts is the headline.

Reads `input_data.jsonl` ({"key", "prompt", "instruction_id_list", "kwargs"}). The checks are those
that ship with lm-eval; they need nltk's sentence model `punkt_tab`, which is looked for before
anything is run and never fetched here.
"""

import json
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.evaluation.material import WHOLE, Function, Material, require_no_shots, text_task
from harness.evaluation.sources.raw import json_lines

_RESOURCE = "punkt_tab"
_FIELDS = ("key", "prompt", "instruction_id_list", "kwargs")


def read(folder: Path, shots: int) -> Material:
    """All prompts. Raises ConfigError where nltk's resource is missing."""
    require_no_shots(shots, "IFEval")
    items = json_lines(folder / "input_data.jsonl", *_FIELDS)
    require_sentence_model()
    rows = [
        {
            "prompt": item["prompt"],
            "answer": "",
            # Text, since a table would give every instruction the arguments of all others.
            "checks": json.dumps({name: item[name] for name in _FIELDS}, ensure_ascii=False),
        }
        for item in items
    ]
    prompts = ("prompt_level_strict_acc", "prompt_level_loose_acc")
    task = text_task(f"{__name__}.score", prompts)
    pooled = Function("lm_eval.tasks.ifeval.utils.agg_inst_level_acc")
    task["metric_list"] += [
        {"metric": metric, "aggregation": pooled, "higher_is_better": True}
        for metric in ("inst_level_strict_acc", "inst_level_loose_acc")
    ]
    return Material({WHOLE: rows}, task)


def require_sentence_model() -> None:
    """Raise ConfigError where nltk's punkt_tab is not on this machine."""
    from harness.offline.models import PREFETCH
    from harness.offline.nltk_data import folder_of

    if folder_of(_RESOURCE) is None:
        raise ConfigError(
            f"source: IFEval needs nltk's {_RESOURCE}, which NLTK_DATA does not hold; {PREFETCH}, "
            f"or python -m nltk.downloader {_RESOURCE}"
        )


def score(doc: dict[str, Any], results: list[str]) -> dict[str, Any]:
    """The four scores: of whole prompts and of single instructions, strict and loose."""
    import langdetect
    from lm_eval.tasks.ifeval.utils import process_results

    langdetect.DetectorFactory.seed = 0  # language detection samples
    return process_results(json.loads(doc["checks"]), results)
