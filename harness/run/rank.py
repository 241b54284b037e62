"""One rank: runs the nodes of a job file and dies with its parent.

`python -m harness.worker <job file>` with RANK and WORLD_SIZE in the environment; it needs nothing
but the job file, the store and the data that the job names.
"""

import ctypes
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn

from harness.config import HarnessConfig, from_plain
from harness.store.store import Store

PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> NoReturn:
    """Run a job as one rank; the exit code is 0 when every node was written."""
    job = json.loads(Path(argv[0]).read_text())
    die_with_parent(job["parent_pid"])
    worker = Worker(job, int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    worker.run()


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies, and watch the parent as well
    (the kernel's signal follows the thread that started us, which may be another one)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Worker:
    """The rank's state while it walks the job's nodes in order."""

    def __init__(self, job: dict[str, Any], index: int, world: int) -> None:
        self.job = job
        self.config: HarnessConfig = from_plain(job["config"])
        self.store = Store(job["store"])
        self.events = Path(job["folder"]) / f"events.{index}.jsonl"
        self.index, self.world = index, world

    def run(self) -> NoReturn:
        """Start the rank, run all nodes, leave."""
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from harness.train.engine.ranks import leave, start

        job = self.job
        minutes, threads = self.config.engine.timeout_minutes, job["threads"]
        self.rank = start(
            self.index, self.world, job["device"], job["rendezvous"], minutes, threads
        )
        for kind, nodes in grouped(job["nodes"]):
            if kind == "train":
                self._train(nodes[0])
            elif kind == "edit":
                self._edit(nodes[0])
            elif kind == "judge":
                self._judge(nodes)
            else:
                self._evaluate(nodes)
        leave(self.rank)

    def _train(self, node: dict[str, Any]) -> None:
        from harness.train.job import Part, TrainJob
        from harness.train.stage import train_task

        spec = node["spec"]
        job = TrainJob(
            config=self.config,
            stage=spec["depth"],
            task=spec["task"],
            parts=[Part(p["task"], Path(p["data"]), p["epochs"]) for p in spec["parts"]],
            learning_rate=spec["learning_rate"],
            parent=self._source(node["model"]),
            earlier=[(name, Path(path)) for name, path in spec["earlier"]],
            last=spec["last"],
        )
        if self.rank.first:
            with self._writing(node) as folder:
                train_task(job, folder, self.rank, lambda i, n: self._say(node, i / n))
        else:
            folder = self.store.working_path("train", node["key"], self.job["parent_pid"])
            train_task(job, folder, self.rank, lambda i, n: None)
        self.rank.barrier()

    def _evaluate(self, nodes: list[dict[str, Any]]) -> None:
        """Whole cells, dealt to the ranks in turn, so that no batch depends on their number."""
        from harness.evaluation.datasets_cache import local_cache
        from harness.evaluation.evaluator import Evaluator

        mine = nodes[self.index :: self.world]
        if not mine:
            return
        evaluator = Evaluator(self.config, self._source(mine[0]["model"]), self.rank.device)
        for node in mine:
            local = node["spec"]["data"] is not None
            cache = local_cache(self.store.root / "cache" / "datasets") if local else nullcontext()
            with self._writing(node) as folder, cache:
                evaluator.score(node["spec"], folder, lambda node=node: self._say(node, 0.99))
            self._say(node, 1.0)

    def _edit(self, node: dict[str, Any]) -> None:
        """The first rank streams the weights; the others wait for the new model."""
        from harness.methods.edits.apply import write_edit
        from harness.methods.edits.loading import load_edit

        if self.rank.first:
            spec = node["spec"]
            base = self._folder(spec["base"])
            tuned = [self._folder(model) for model in spec["tuned"]]
            edit = load_edit(spec["edit"], f"method.{spec['name']}")
            if spec["validation"]:
                from harness.evaluation.validation import validation_score

                edit.score_by(validation_score(self.config, spec["validation"], self.rank.device))
            with self._writing(node) as folder:
                write_edit(edit, base, tuned, folder, lambda i, n: self._say(node, i / (n + 1)))
            self._say(node, 1.0)
        self.rank.barrier()

    def _folder(self, model: dict[str, Any]) -> Path:
        """Where a model lies; one of the hub must have been fetched."""
        if model["kind"] != "hub":
            return Path(self._source(model))
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(model["path"], revision=model["revision"]))

    def _judge(self, nodes: list[dict[str, Any]]) -> None:
        """The first rank asks the judge; the others' answers must be written before."""
        from harness.evaluation.judge.pairs import JudgeRunner

        self.rank.barrier()
        if not self.rank.first:
            return
        runner = JudgeRunner(self.config, self.store, self.rank.device)
        for node in nodes:
            with self._writing(node) as folder:
                runner.run(node["spec"], folder, lambda share, node=node: self._say(node, share))
            self._say(node, 1.0)

    def _source(self, model: dict[str, Any]) -> Path | str:
        if model["kind"] in ("train", "edit"):
            return self.store.path(model["kind"], model["key"])
        return model["path"]

    def _writing(self, node: dict[str, Any]) -> Any:
        about = {
            "label": node["label"],
            "stage": node["stage"],
            "spec": node["spec"],
            "model": node["model"],
            "config": self.job["config"],
            "ranks": self.world,
            "device": self.job["device"],
            "threads": self.job["threads"],
            "versions": versions(),
        }
        return self.store.writing(node["kind"], node["key"], about, self.job["parent_pid"])

    def _say(self, node: dict[str, Any], done: float) -> None:
        with self.events.open("a") as stream:
            stream.write(json.dumps({"key": node["key"], "done": done}) + "\n")


def grouped(nodes: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Training nodes one by one; neighbouring eval nodes of one model, or judge nodes, together."""

    def group(node: dict[str, Any]) -> tuple[str, str]:
        return node["kind"], "" if node["kind"] == "judge" else node["model"]["key"]

    for (kind, _), run in groupby(nodes, key=group):
        members = list(run)
        if kind in ("eval", "judge"):
            yield kind, members
        else:
            yield from ((f"{kind}", [member]) for member in members)


def versions() -> dict[str, str]:
    """Versions of the libraries that numbers depend on."""
    from importlib.metadata import version

    names = ("torch", "transformers", "deepspeed", "lm_eval", "datasets", "tokenizers")
    return {"python": sys.version.split()[0], **{name: version(name) for name in names}}


if __name__ == "__main__":
    main(sys.argv[1:])
