"""Scorers that run what a model wrote, in `harness.scorers.sandbox`."""

import re
from typing import Any

from harness.scorers.sandbox.run import run_program

_FENCED = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:\n```|\Z)", re.DOTALL | re.IGNORECASE)
# Where a completion is over: "Evaluating Large Language Models Trained on Code" (arXiv 2107.03374,
# section 2), in whose data a problem is the beginning of a function.
_OVER = re.compile(r"\n(?:class|def|#|if|print)|\n```")


def python_tests(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score a function by its tests: 1 where the program of function and tests runs to its end.

    doc: `header`, the beginning of a file up to the function's body; `test`, which defines
    `check(candidate)`; `entry_point`, the function's name. A prediction is a whole function (the
    first block between fences, where there is one) or what goes on behind the header. Nothing runs
    for an empty prediction.
    """
    if not prediction.strip():
        return {"pass_at_1": 0.0}
    program = whole_program(doc, prediction)
    return {"pass_at_1": float(run_program(program).passed)}


def whole_program(doc: dict[str, Any], prediction: str) -> str:
    """The program that is run: what stands before the function in the header (imports, helpers),
    the function, its tests."""
    header, name = doc["header"], doc["entry_point"]
    starts = re.compile(rf"^(?:async +)?def +{re.escape(name)}\b", re.MULTILINE)
    fenced = _FENCED.search(prediction)
    code = fenced[1] if fenced else prediction
    if starts.search(code):
        begin = starts.search(header)
        function = (header[: begin.start()] if begin else "") + code
    else:
        function = header + _OVER.split(code, maxsplit=1)[0]
    return f"{function}\n\n{doc['test']}\n\ncheck({name})\n"
