"""The stock lm_eval command on the embedded model."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.places import MICRO_MODEL, REPOSITORY


def lm_eval(
    include: Path,
    tasks: str,
    out: Path,
    *options: str,
    model: str = f"pretrained={MICRO_MODEL}",
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run tasks of a folder without network; results are written below `out`. model: arguments of
    its class for transformers."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "lm_eval", "run", "--model", "hf"),
            *("--model_args", f"{model},dtype=float32"),
            *("--include_path", str(include), "--tasks", tasks, "--device", "cpu"),
            *("--output_path", str(out), *options),
        ],
        capture_output=True,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(REPOSITORY)} | environment,
        check=False,
    )


def results(done: subprocess.CompletedProcess[str], out: Path) -> dict[str, Any]:
    """Its results by task, "<metric>,<filter>" -> value."""
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(next(out.rglob("results_*.json")).read_text())["results"]
