"""Scorers that run what a model wrote, in `harness.scorers.sandbox`."""

import re
from typing import Any

from harness.scorers.answer_code import PYTHON, around, blocks
from harness.scorers.sandbox.run import run_program

# Where a completion is over: "Evaluating Large Language Models Trained on Code" (arXiv 2107.03374,
# section 2), in whose data a problem is the beginning of a function.
_OVER = re.compile(r"\n(?:class|def|#|if|print)|\n```")


def python_tests(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Score a function by its tests: 1 where the program of function and tests runs to its end.

    doc: `header`, the beginning of a file up to the function's body; `test`, which defines
    `check(candidate)`; `entry_point`, the function's name. A prediction is a whole function (in the
    first block between fences that has it, or without fences, where prose around it does not count)
    or what goes on behind the header. Nothing runs for an empty prediction.
    """
    if not prediction.strip():
        return {"pass_at_1": 0.0}
    program = whole_program(doc, prediction)
    return {"pass_at_1": float(run_program(program).passed)}


def whole_program(doc: dict[str, Any], prediction: str) -> str:
    """The program that is run: what stands before the function in the header (imports, helpers),
    the function, its tests."""
    header, name = doc["header"], doc["entry_point"]
    prediction = prediction.replace("\r\n", "\n")
    starts = re.compile(rf"^(?:async +)?def +{re.escape(name)}\b", re.MULTILINE)
    code = _whole_function(prediction, starts)
    if code is not None:
        begin = starts.search(header)
        function = (header[: begin.start()] if begin else "") + code
    else:
        function = header + _OVER.split(_completion(prediction), maxsplit=1)[0]
    return f"{function}\n\n{doc['test']}\n\ncheck({name})\n"


def _whole_function(prediction: str, starts: re.Pattern[str]) -> str | None:
    for _, code in blocks(prediction):
        if starts.search(code):
            return code
    return around(prediction, starts)


def _completion(prediction: str) -> str:
    """What goes on behind the header: the prediction, or its first block of Python where it does
    not begin with a function's body itself."""
    if not prediction.lstrip("\n").startswith((" ", "\t")):
        for language, code in blocks(prediction):
            if language in PYTHON:
                return code
    return prediction
