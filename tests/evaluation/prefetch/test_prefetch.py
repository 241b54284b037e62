"""Fetch from a local hub, take the network away, run; and what is missing, in one line each."""

import json
import shutil
import socket
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from support.command import in_a_process, only_error, script
from support.hub import COMMIT, Hub, serve
from support.places import MICRO_MODEL

from harness.cli.prefetch import environment
from harness.evaluation.prefetch.benchmarks import nltk_resources
from harness.evaluation.prefetch.nltk_data import folder_of
from harness.models.hub import choose_files
from harness.results.schema import read_scores

# The hub's libraries read their variables once, so what depends on them has its own process.
harness = in_a_process


def refused(*arguments: str) -> str:
    return only_error(in_a_process(*arguments))


SUITE = """\
general:
  benchmarks:
    questions:
      lm_eval_task: {task}
      headline: {metric}
      max_prompt_tokens: 64
      limit: 4
"""


JUDGED = """\
instruction:
  benchmarks:
    asked:
      folder: asked
      scorer: exact
      headline: accuracy
      judged: helpful
      max_prompt_tokens: 64
      max_answer_tokens: 12
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """The micro model with a second copy of its weights, and the data of one benchmark."""
    root = tmp_path_factory.mktemp("hub")
    model = Path(shutil.copytree(MICRO_MODEL, root / "micro"))
    (model / "pytorch_model.bin").write_bytes(b"the same weights in another format")
    (model / "original").mkdir()
    (model / "original" / "params.json").write_text("{}")
    questions = root / "piqa"
    questions.mkdir()
    rows = [{"goal": f"goal {i}", "sol1": "a", "sol2": "b", "label": i % 2} for i in range(8)]
    for split in ("train", "validation"):
        lines = "".join(f"{json.dumps(row)}\n" for row in rows)
        (questions / f"{split}.jsonl").write_text(lines)
    with serve() as running:
        running.repos["models", "org/micro"] = model
        running.repos["datasets", "baber/piqa"] = questions
        yield running


@pytest.fixture(scope="module")
def suites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config folder with two suites of lm-eval's own benchmarks."""
    folder = tmp_path_factory.mktemp("suites")
    (folder / "suite").mkdir()
    for name, task, metric in (
        ("questions", "piqa", "acc"),
        ("instructions", "ifeval", "prompt_level_strict_acc"),
    ):
        text = SUITE.format(task=task, metric=metric)
        (folder / "suite" / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def prefetched(hub: Hub, suites: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HF_HOME after one prefetch; what it printed and fetched is checked on the way."""
    home = tmp_path_factory.mktemp("home") / "hf"
    with pytest.MonkeyPatch.context() as patch:
        _environment(patch, home, hub.url)
        hub.bodies.clear()
        command = _prefetch(suites, home.parent / "store")
        first = harness(*command)
        assert first.returncode == 0, first.stderr
        assert "model.safetensors" in hub.bodies
        assert "train.jsonl" in hub.bodies
        assert not {"pytorch_model.bin", "original/params.json"} & set(hub.bodies)
        assert f"model org/micro: 5 files, commit {COMMIT}" in first.stdout
        assert f"export HF_HOME={home}" in first.stdout
        assert "export HF_HUB_OFFLINE=1\nexport HF_DATASETS_OFFLINE=1" in first.stdout

        hub.bodies.clear()
        second = harness(*command)
        assert second.returncode == 0, second.stderr
        assert hub.bodies == []
        assert "model org/micro: cached" in second.stdout
        assert "benchmark piqa: cached" in second.stdout
    return home


def _prefetch(suites: Path, store: Path) -> list[str]:
    chosen = ["model.path=org/micro", "suite=[questions]", f"store.root={store}"]
    return ["prefetch", "--config-dir", str(suites), *chosen]


def _environment(patch: pytest.MonkeyPatch, home: Path, endpoint: str | None) -> None:
    """HF_HOME, and a hub at `endpoint` or no network (None: the HF_*_OFFLINE variables)."""
    for name in ("HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        patch.delenv(name, raising=False)
    patch.setenv("HF_HOME", str(home))
    patch.setenv("HF_ENDPOINT", endpoint or _nowhere())
    if endpoint is None:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_DATASETS_OFFLINE", "1")


def _nowhere() -> str:
    """An address where nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


@pytest.mark.distributed
def test_a_run_without_network(
    prefetched: Path,
    suites: Path,
    tiny_run: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _environment(monkeypatch, prefetched, None)
    few = ["eval.limit=2", "eval.suite_stages=ends", "train.max_steps=1"]
    run = _with_suite(tiny_run, "questions")
    command = ["--config-dir", str(suites), *run, "model.path=org/micro", *few]
    done = harness(*command)
    assert done.returncode == 0, done.stderr[-3000:]
    frame = read_scores(tmp_path / "results" / "scores.csv").frame()
    assert sorted(frame[frame["benchmark"] == "questions"]["stage"].unique()) == [0, 2]

    # What is done needs no model and no benchmark any more.
    _environment(monkeypatch, tmp_path / "empty", None)
    assert harness(*command).returncode == 0


def test_a_model_that_is_not_cached(
    tiny_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*tiny_run, "model.path=org/micro", "model.revision=v2"]
    _environment(monkeypatch, tmp_path / "hf", None)
    line = refused(*command)
    assert "model.path: org/micro at v2 is not in the cache" in line
    assert "HF_HUB_OFFLINE is set" in line
    assert "run: python -m harness prefetch" in line
    monkeypatch.delenv("HF_HUB_OFFLINE")
    line = refused(*command)
    assert "org/micro at v2 is not cached and http://127.0.0.1:" in line
    assert "cannot be reached" in line
    assert not (tmp_path / "store" / "train").exists()


def test_a_model_that_is_cached_in_part(
    prefetched: Path, tiny_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(shutil.copytree(prefetched, tmp_path / "hf", symlinks=True))
    (link,) = home.rglob("snapshots/*/model.safetensors")
    link.resolve().unlink()
    _environment(monkeypatch, home, None)
    line = refused(*tiny_run, "model.path=org/micro")
    assert "(no model.safetensors)" in line


def test_what_the_hub_refuses(
    hub: Hub, tiny_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _environment(monkeypatch, tmp_path / "hf", hub.url)
    assert "the hub has no such model" in refused(*tiny_run, "model.path=org/mikro")
    told = "model.path: org/micro at v9: the hub has no revision v9"
    assert told in refused(*tiny_run, "model.path=org/micro", "model.revision=v9")
    hub.gated.add("org/micro")
    line = refused("prefetch", "model.path=org/micro", "suite=[]")
    hub.gated.clear()
    assert "org/micro is gated; accept its terms on the hub and set HF_TOKEN" in line


def test_a_models_context_is_checked_before_its_weights_are_fetched(
    hub: Hub, tiny_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(MICRO_MODEL, tmp_path / "short"))
    about = json.loads((folder / "config.json").read_text()) | {"max_position_embeddings": 80}
    (folder / "config.json").write_text(json.dumps(about))
    hub.repos["models", "org/short"] = folder
    _environment(monkeypatch, tmp_path / "hf", hub.url)
    hub.bodies.clear()
    line = refused(*tiny_run, "model.path=org/short")
    assert "the model has 80 positions; use task.copy.max_prompt_tokens=48" in line
    assert "config.json" in hub.bodies
    assert "model.safetensors" not in hub.bodies
    assert not (tmp_path / "store" / "train").exists()


def test_the_cached_description_is_checked(
    prefetched: Path, tiny_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Path(shutil.copytree(prefetched, tmp_path / "hf", symlinks=True))
    (description,) = home.rglob("snapshots/*/config.json")
    description.resolve().write_text('{"model_type": "bart", "is_encoder_decoder": true}')
    _environment(monkeypatch, home, None)
    assert "bart is an encoder-decoder" in refused(*tiny_run, "model.path=org/micro")


@pytest.mark.slow  # reads lm-eval's index
def test_a_benchmark_that_is_not_cached(
    suites: Path, tiny_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _environment(monkeypatch, tmp_path / "hf", None)
    line = refused("--config-dir", str(suites), *_with_suite(tiny_run, "questions"))
    assert "suite.general.benchmarks.questions.lm_eval_task=piqa is not cached" in line
    assert "HF_HUB_OFFLINE is set; where there is network, run: python -m harness prefetch" in line
    assert not (tmp_path / "store" / "train").exists()


@pytest.mark.slow  # reads lm-eval's index
def test_a_missing_nltk_resource_is_named(
    suites: Path, tiny_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _environment(monkeypatch, tmp_path / "hf", None)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NLTK_DATA", str(tmp_path / "nltk"))
    line = refused("--config-dir", str(suites), *_with_suite(tiny_run, "instructions"))
    assert "lm_eval_task=ifeval is not cached" in line
    assert f"nltk's punkt_tab is not in NLTK_DATA={tmp_path / 'nltk'}" in line


def test_a_judging_model_is_fetched_and_demanded(
    hub: Hub, tiny_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "suites" / "asked"
    asked.mkdir(parents=True)
    rows = [{"prompt": f"Say {i}.", "answer": ""} for i in range(4)]
    (asked / "test.json").write_text(json.dumps(rows))
    conf = tmp_path / "conf" / "suite"
    conf.mkdir(parents=True)
    (conf / "asked.yaml").write_text(JUDGED)
    run = _with_suite(tiny_run, "asked")
    command = ["--config-dir", str(conf.parent), *run, f"data.suite_root={asked.parent}"]
    command += ["judge=local", "judge.model=org/micro"]

    _environment(monkeypatch, tmp_path / "hf", None)
    line = refused(*command)
    assert "judge.model: org/micro is not in the cache" in line
    assert "HF_HUB_OFFLINE is set; where there is network, run: python -m harness prefetch" in line
    planned = harness("plan", *command)
    assert planned.returncode == 0, planned.stderr
    assert "to fetch before this can run: judge.model: org/micro" in planned.stdout
    assert not (tmp_path / "store" / "train").exists()

    _environment(monkeypatch, tmp_path / "hf", hub.url)
    line = refused("prefetch", *command, "judge.model=org/mikro")
    assert "judge.model: org/mikro: there is no such folder, and the hub has no such model" in line
    assert "judge.model: there is no folder mikro" in refused(
        "prefetch", *command, "judge.model=mikro"
    )
    fetched = harness("prefetch", *command)
    assert fetched.returncode == 0, fetched.stderr
    assert f"model org/micro: 5 files, commit {COMMIT}" in fetched.stdout

    _environment(monkeypatch, tmp_path / "hf", None)
    assert "to fetch" not in harness("plan", *command).stdout


def _with_suite(tiny_run: list[str], suite: str) -> list[str]:
    """The tiny run with a suite of another config folder: its tasks come from the bare data."""
    kept = [i for i in tiny_run if not i.startswith(("hydra.searchpath", "suite", "task="))]
    folder = next(i.partition("=")[2] for i in tiny_run if i.startswith("data.root="))
    short = ["sequence.max_prompt_tokens=64", "sequence.max_answer_tokens=32"]
    store = next(i.partition("=")[2] for i in tiny_run if i.startswith("store.root="))
    names = Path(store) / "cache" / f"lm_eval_tasks-{version('lm_eval')}.json"
    names.parent.mkdir(parents=True, exist_ok=True)
    names.write_text('["ifeval", "piqa"]')  # reading lm-eval's index takes ten seconds
    return [*kept, f"suite=[{suite}]", f"sequence.from_folder={folder}", *short]


def test_a_sweep_fetches_each_model_once(
    prefetched: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    _environment(monkeypatch, prefetched, hub.url)
    models = f"model.path=org/micro,{MICRO_MODEL}"
    done = harness("prefetch", "-m", models, "seed=0,1", "suite=[]")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("model org/micro") == 1


def test_nothing_to_fetch() -> None:
    done = script("prefetch.py", "suite=[]")
    assert done.returncode == 0, done.stderr
    assert "nothing to fetch" in done.stdout


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (
            ["model-1.safetensors", "consolidated.safetensors", "pytorch_model.bin", "config.json"],
            ["config.json", "model-1.safetensors"],
        ),
        (
            ["pytorch_model-00001.bin", "optimizer.bin", "vocab.txt", "flax_model.msgpack"],
            ["pytorch_model-00001.bin", "vocab.txt"],
        ),
        (
            ["modeling_x.py", "original/a.json", "README.md", "tokenizer.model"],
            ["modeling_x.py", "tokenizer.model"],
        ),
    ],
)
def test_files_of_a_model(names: list[str], chosen: list[str]) -> None:
    assert choose_files(names) == chosen


def test_the_nltk_folder_is_told_to_the_compute_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nltk

    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    assert folder_of("punkt_tab") is None
    (tmp_path / "tokenizers" / "punkt_tab").mkdir(parents=True)
    assert folder_of("punkt_tab") == str(tmp_path)
    assert environment(folder_of("punkt_tab"))["NLTK_DATA"] == str(tmp_path)
    assert nltk_resources(["piqa", "leaderboard_ifeval"]) == ["punkt_tab"]


@pytest.mark.slow  # reads lm-eval's index
def test_an_unknown_benchmark_is_told(
    suites: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _environment(monkeypatch, tmp_path / "hf", _nowhere())
    task = "suite.general.benchmarks.questions.lm_eval_task=piqua"
    line = refused("prefetch", "--config-dir", str(suites), "suite=[questions]", task)
    assert line == "error: benchmark piqua cannot be loaded: lm-eval has no such task"
