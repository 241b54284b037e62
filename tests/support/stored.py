"""Stores whose work is only written, as if it had been done."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from harness.config.compose.compose import load
from harness.config.plain import plain
from harness.results.records import record_run
from harness.run.job import Job, job_of
from harness.run.readers import record_readers
from harness.store.work import EvalWork, TrainWork
from support.command import beside

# Takes the lock of a node, says so, and ends when its input does.
_HOLDER = """
import sys
from harness.store.store import Store
with Store(sys.argv[1]).locks([(sys.argv[2], sys.argv[3])]) as held:
    print(held.nodes, flush=True)
    sys.stdin.read()
"""


@contextmanager
def holding(
    store: Path, kind: str, key: str, host: str | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A process, of another machine if `host` names one, that works on a node."""
    with beside(_HOLDER, str(store), kind, key, host=host) as process:
        assert process.stdout is not None
        assert key in process.stdout.readline()
        yield process


def planned(overrides: list[str], *more: str) -> Job:
    """A job as a command line makes it."""
    return job_of(load([*overrides, *more]))


def known(job: Job) -> Job:
    """Let the store know of a run, as its command does at its beginning."""
    record_run(job.store, job.plan)
    record_readers(job.store, job.plan)
    return job


def write(job: Job, kinds: tuple[str, ...] = ("train", "eval"), model: Path | None = None) -> None:
    """Work of a run, as if it had been done; its stages are copies of `model`, or hold a weight."""
    for node in job.plan.nodes:
        if node.kind not in kinds or job.store.done(node.kind, node.key):
            continue
        config = plain(job.config)
        about = {**node.to_json(), "identity": node.content(), "config": config}
        with job.store.writing(node.kind, node.key, about) as folder:
            if isinstance(node, EvalWork):
                _write_scores(node, folder)
            elif model is not None:
                shutil.copytree(model, folder, dirs_exist_ok=True)
            else:
                save_file({"w": np.ones(4, np.float32)}, folder / "model.safetensors")


def weights(job: Job, stage: int) -> Path:
    """The file of weights of a stage that `write` wrote."""
    node = job.plan.of(TrainWork)[stage - 1]
    return job.store.path("train", node.key) / "model.safetensors"


def _write_scores(node: EvalWork, folder: Path) -> None:
    row = {"subtask": None, "metric": node.benchmark.headline, "filter": node.benchmark.filter}
    row |= {"value": 0.5, "stderr": 0.25, "n": 4, "higher_is_better": True}
    (folder / "scores.json").write_text(json.dumps([row]))
    (folder / "predictions.jsonl").write_text('{"prediction": "a"}\n' * 4)
