"""Scores in chunks: the same bytes for any number of ranks, and after a kill in the middle."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from glob import glob
from pathlib import Path
from typing import Any

import pytest
import torch
from support.places import REPOSITORY
from transformers import GenerationMixin, LlamaForCausalLM

from harness.config import HarnessConfig
from harness.config.compose.compose import load
from harness.evaluation.evaluator import Evaluator
from harness.run.job import job_of
from harness.run.parent import execute
from harness.run.scoring import Scoring
from harness.store.claims import Claims
from harness.store.listener import SILENT, Listener
from harness.store.store import Store
from harness.store.work import EvalWork, Work

# Tasks drawn at random, a suite by likelihood and one generated greedily; some rows a chunk.
# Ranks have equally many threads, since how many share a sum can change its last bit.
HOW = [
    *("method=icl", "engine.threads=1", "eval.batch_tokens=900", "eval.temperature=0.8"),
    *("suite=[micro_likelihood,micro_general]", "eval.limit=8"),
    "suite.diagnostic.benchmarks.micro_text.limit=8",
    "suite.diagnostic.benchmarks.micro_text.max_prompt_tokens=500",
]


def common(model: Path, data: Path, conf: list[str]) -> list[str]:
    chosen = [word for word in conf if not word.startswith("suite=")]
    return [*chosen, f"model.path={model}", f"data.root={data}", *HOW]


def placed(folder: Path) -> list[str]:
    return [f"store.root={folder / 'store'}", f"store.results={folder / 'results'}"]


def scored(folder: Path) -> dict[str, bytes]:
    """Predictions and scores of every node."""
    root = folder / "store" / "eval"
    names = ("predictions.jsonl", "scores.json")
    found = sorted(path for name in names for path in root.glob(f"[!.]*/{name}"))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


class OneRank:
    """A rank alone."""

    index, world, device, first = 0, 1, "cpu", True

    def barrier(self) -> None:
        """Nobody to wait for."""


class Here:
    """The site of a rank in this process."""

    def __init__(self, config: HarnessConfig, store: Store, token: str) -> None:
        self.config, self.store, self.rank, self.token = config, store, OneRank(), token

    @contextmanager
    def writing(self, work: Work) -> Iterator[tuple[Path, Listener]]:
        with self.store.writing(work.kind, work.key, {}, self.token) as folder:
            yield folder, SILENT

    def hearing(self, work: Work) -> Listener:
        return SILENT

    def claims(self, works: Sequence[Work]) -> Claims:
        return Claims(self.store.claims_path(works[0].key, self.token), "rank0")


@pytest.fixture(scope="module")
def overrides(tiny_model: Path, tiny_data: Path, tiny_conf: list[str]) -> list[str]:
    return common(tiny_model, tiny_data, tiny_conf)


def score_here(overrides: list[str], folder: Path) -> None:
    """All that the plan scores, by one rank in this process."""
    job = job_of(load([*overrides, *placed(folder)]))
    with job.store.leases.taken() as token:
        Scoring().run(job.plan.of(EvalWork), Here(job.config, job.store, token))


@pytest.fixture(scope="module")
def alone(overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole evaluation by one rank."""
    folder = tmp_path_factory.mktemp("alone")
    score_here(overrides, folder)
    return folder


def partials(folder: Path) -> list[Path]:
    # Unlike Path.glob it does not mind that ranks remove folders meanwhile.
    return sorted(map(Path, glob(f"{folder}/store/partial/*/*/answers-*.json")))


def test_nothing_is_left_of_finished_work(alone: Path) -> None:
    assert len(scored(alone)) == 2 * 6  # two tasks, a benchmark by likelihood, three generated
    assert not [path for path in (alone / "store" / "partial").rglob("*") if path.is_file()]
    assert not list((alone / "store").glob("*/.*"))


def break_off(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Have the process fail before chunk number `after` is answered."""
    answer, asked = Evaluator.answer, []

    def failing(self: Evaluator, *args: Any) -> Any:
        if len(asked) == after:
            raise KeyboardInterrupt
        asked.append(None)
        return answer(self, *args)

    monkeypatch.setattr(Evaluator, "answer", failing)


def test_broken_off_work_goes_on_at_the_next_chunk(
    overrides: list[str], alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        break_off(patch, 3)
        with pytest.raises(KeyboardInterrupt):
            score_here(overrides, tmp_path)
    kept = partials(tmp_path)
    assert len(kept) == 3
    shutil.copytree(tmp_path, tmp_path / "copy")
    changed = partials(tmp_path / "copy")[0]
    told = json.loads(changed.read_text())
    told["given"] = [[-9.0, True]] if isinstance(told["given"][0][-1], bool) else [[7, 7, 7]]
    told["given"] *= len(json.loads(kept[0].read_text())["given"])
    changed.write_text(json.dumps(told))
    score_here(overrides, tmp_path)
    assert scored(tmp_path) == scored(alone)
    # An answer that is there is not asked for again, whatever it says.
    score_here(overrides, tmp_path / "copy")
    other = scored(tmp_path / "copy")
    differing = {name for name, content in scored(alone).items() if other[name] != content}
    assert {name.partition("/")[0] for name in differing} == {changed.parent.name}


def test_answers_of_other_library_versions_are_not_gone_on_with(
    overrides: list[str], alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        break_off(patch, 1)
        with pytest.raises(KeyboardInterrupt):
            score_here(overrides, tmp_path)
    [kept] = partials(tmp_path)
    about = kept.parent / "about.json"
    told = json.loads(about.read_text())
    about.write_text(json.dumps(told | {"versions": told["versions"] | {"torch": "0"}}))
    kept.write_text('{"given": [], "seconds": 0, "halved": 0}')  # would fail
    score_here(overrides, tmp_path)
    assert scored(tmp_path) == scored(alone)


@pytest.mark.distributed
@pytest.mark.parametrize("ranks", [2, 3])
def test_more_ranks_give_the_same_bytes(
    overrides: list[str], alone: Path, tmp_path: Path, ranks: int
) -> None:
    many = [f"engine.ranks={ranks}", "engine.oversubscribe=true"]
    outcome = execute(load([*overrides, *placed(tmp_path), *many]))
    assert outcome.scored == 6
    assert scored(tmp_path) == scored(alone)
    [manifest] = list((tmp_path / "store" / "eval").glob("*/manifest.json"))[:1]
    told = json.loads(manifest.read_text())
    assert (told["ranks"], told["config"]["engine"]["oversubscribe"]) == (ranks, True)
    assert not list((tmp_path / "store").glob("*/.*"))


@pytest.mark.distributed
def test_a_killed_evaluation_gives_the_same_bytes(
    overrides: list[str], alone: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "harness", *overrides, *placed(tmp_path), "engine.ranks=2"]
    parent = subprocess.Popen(
        [*command, "engine.oversubscribe=true"],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while len(partials(tmp_path)) < 3:
        assert time.monotonic() < deadline
        assert parent.poll() is None
        time.sleep(0.005)
    parent.send_signal(signal.SIGKILL)  # its ranks die with it
    parent.wait()
    assert len(scored(tmp_path)) < len(scored(alone))
    score_here(overrides, tmp_path)
    assert scored(tmp_path) == scored(alone)


def few(overrides: list[str]) -> list[str]:
    """The two tasks alone, greedily."""
    kept = [word for word in overrides if not word.startswith(("suite", "eval.temperature"))]
    return [*kept, "suite=[]"]


@pytest.mark.distributed
def test_continuous_batching_gives_the_same_for_any_number_of_ranks(
    overrides: list[str], tmp_path: Path
) -> None:
    """Greedily, and what batches of `hf` give; a chunk has as many tokens as are in work at once,
    however small batches are."""
    greedy = few(overrides)
    paged = [*greedy, "eval.backend=paged", "eval.tokens_in_flight=400"]
    folders = {name: tmp_path / name for name in ("hf", "one", "two")}
    score_here(greedy, folders["hf"])
    score_here(paged, folders["one"])
    two = ["engine.ranks=2", "engine.oversubscribe=true"]
    execute(load([*paged, *placed(folders["two"]), *two]))
    assert scored(folders["two"]) == scored(folders["one"])
    written = {name: sorted(scored(folder).values()) for name, folder in folders.items()}
    assert written["hf"] == written["one"]
    assert not set(scored(folders["hf"])) & set(scored(folders["one"]))  # keys tell them apart


def test_chunks_are_as_large_as_the_backend_wants(
    overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tokens of one chunk for `hf` are a batch's, else those in flight."""
    sizes: dict[str, int] = {}
    for backend in ("hf", "paged"):
        with monkeypatch.context() as patch:
            break_off(patch, 0)
            with pytest.raises(KeyboardInterrupt):
                score_here([*few(overrides), f"eval.backend={backend}"], tmp_path / backend)
        [first, *_] = (tmp_path / backend / "store" / "partial").rglob("requests.json")
        sizes[backend] = len(json.loads(first.read_text())["chunks"])
    assert sizes["hf"] > 1 == sizes["paged"]


def details(folder: Path) -> list[dict[str, float]]:
    """Those of every node."""
    return [json.loads(p.read_text()) for p in (folder / "store" / "eval").glob("*/details.json")]


def test_memory_that_runs_out_is_recorded(
    overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than three rows fit: the scores are the same, and the details say what happened, also
    where a benchmark only went through in the smaller batches that another one left."""
    wide = [word for word in few(overrides) if not word.startswith("eval.batch_tokens")]
    wide += ["suite=[micro_general]", "eval.batch_size=4"]
    forward, raised = LlamaForCausalLM.forward, list[int]()

    @wraps(forward)
    def limited(model: Any, *args: Any, **options: Any) -> Any:
        rows = len(args[0] if args else options["input_ids"])
        if rows > 3:
            raised.append(rows)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(model, *args, **options)

    wide.remove("suite=[]")
    score_here(wide, tmp_path / "enough")
    with monkeypatch.context() as patch:
        patch.setattr(LlamaForCausalLM, "forward", limited)
        patch.delattr(GenerationMixin, "generate")  # what is greedy goes through passes of our own
        score_here(wide, tmp_path / "little")
    assert raised
    assert scored(tmp_path / "little") == scored(tmp_path / "enough")
    told, before = details(tmp_path / "little"), details(tmp_path / "enough")
    assert len(told) == 5
    assert not any("halved_batches" in one for one in before)
    assert sum(one["halved_batches"] for one in told) == len(raised)
    assert all(one["chunks_in_smaller_batches"] == 1 for one in told)
    assert min(one["halved_batches"] for one in told) == 0
