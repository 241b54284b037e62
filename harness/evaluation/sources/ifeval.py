"""IFEval (arXiv 2311.07911): prompts with instructions that a program checks; the strict score of
whole prompts is the headline.

Reads `input_data.jsonl` ({"key", "prompt", "instruction_id_list", "kwargs"}). The checks are those
that ship with lm-eval; they need nltk's sentence model `punkt_tab` (harness/plan/checks/inputs.py
looks for it before anything is run).
"""

import json
from pathlib import Path
from typing import Any

from harness.evaluation.material import WHOLE, Function, Material, require_no_shots, text_task
from harness.evaluation.sources.raw import json_lines

_FIELDS = ("key", "prompt", "instruction_id_list", "kwargs")


def read(folder: Path, shots: int) -> Material:
    """All prompts."""
    require_no_shots(shots, "IFEval")
    items = json_lines(folder / "input_data.jsonl", *_FIELDS)
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


def score(doc: dict[str, Any], results: list[str]) -> dict[str, Any]:
    """The four scores: of whole prompts and of single instructions, strict and loose."""
    import langdetect
    from lm_eval.tasks.ifeval.utils import process_results

    langdetect.DetectorFactory.seed = 0  # language detection samples
    return process_results(json.loads(doc["checks"]), results)
