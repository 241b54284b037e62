"""Helper processes: what a parent asks of libraries that it must not import itself.

`call("package.module", request)` runs `python -m package.module`, whose last line is
`answer(function)`. The request comes as JSON on stdin, the answer goes as JSON on the last line of
stdout; what the libraries print meanwhile goes to stderr.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from typing import Any

from harness import errors
from harness.errors import HarnessError, StageFailed


def call(module: str, request: Any, doing: str, variables: Mapping[str, str] | None = None) -> Any:
    """The answer (JSON) of a helper module to a request (JSON).

    doing: what is being done, the beginning of the message where it fails. variables: of the
    environment, besides this process's.
    Raises StageFailed with the last line that the helper wrote; an error of the helper that is
    meant for users as it is.
    """
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": import_path()} | dict(variables or {}),
    )
    if done.returncode != 0:
        cause = (done.stderr.strip().splitlines() or ["it wrote nothing"])[-1]
        raise StageFailed(f"{doing} failed: {cause}")
    told = json.loads(done.stdout.splitlines()[-1])
    if "refused" in told:
        raise getattr(errors, told["refused"], StageFailed)(told["message"])
    return told["answer"]


def answer(function: Callable[[Any], Any]) -> None:
    """Answer the one request of this process, or say why it is refused."""
    request = json.load(sys.stdin)
    try:
        with redirect_stdout(sys.stderr):
            told = {"answer": function(request)}
    except HarnessError as error:
        told = {"refused": type(error).__name__, "message": str(error)}
    print(json.dumps(told))


def import_path() -> str:
    """PYTHONPATH with which a new process finds the modules that this one finds."""
    return os.pathsep.join(entry for entry in sys.path if entry)
