"""The judge inside a run: a node for every stage, stage 0 against itself, resumed after trouble."""

import csv
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.command import harness, in_a_process, refused
from support.endpoint import Endpoint
from support.raw_files import write_rows

from harness.results.runs import load_runs
from harness.results.schema import Scores, read_scores

pytestmark = pytest.mark.distributed


@pytest.fixture
def judged_run(tiny_run: list[str], tmp_path: Path) -> list[str]:
    """A run of two stages with one judged benchmark of six questions."""
    suites = tmp_path / "suites"
    write_rows(
        suites / "asked" / "test.json",
        [{"prompt": f"Say something about {i}.", "answer": ""} for i in range(6)],
    )
    conf = tmp_path / "judgeconf"
    (conf / "suite").mkdir(parents=True)
    (conf / "suite" / "asked.yaml").write_text(
        "instruction:\n  benchmarks:\n    asked:\n      folder: asked\n"
        "      scorer: micro_refusal\n      headline: refused\n"
        "      unit: diagnostic\n      judged: helpful\n"
        "      max_prompt_tokens: 64\n      max_answer_tokens: 12\n"
    )
    kept = [word for word in tiny_run if not word.startswith(("suite=", "hydra.searchpath"))]
    paths = tiny_run[0].removeprefix("hydra.searchpath=[").removesuffix("]")
    return [
        f"hydra.searchpath=[{paths},file://{conf}]",
        *kept,
        "suite=[asked]",
        f"data.suite_root={suites}",
        "train.max_steps=2",
        "eval.limit=6",
    ]


def test_every_stage_is_judged_and_a_failure_costs_nothing_else(
    judged_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", "sk-very-secret")
    with Endpoint(((401, {}, "no"),)) as endpoint:
        judge = ["judge=http", f"judge.base_url={endpoint.url}", "judge.model=m"]
        judge += ["judge.workers=1", "judge.price_completion=100"]
        broken = harness(*judged_run, *judge)
        assert broken.returncode == 1
        assert "HTTP 401" in broken.stderr
        frame = read_scores(tmp_path / "results" / "scores.csv").frame()
        assert set(frame[frame["suite"] == "target"]["stage"]) == {0, 1, 2}
        done = harness(*judged_run, *judge)
        assert done.returncode == 0, done.stderr
        assert "trained 0 stages, scored 0 cells" in done.stdout
        asked = endpoint.requests
        assert harness(*judged_run, *judge).returncode == 0
        assert endpoint.requests == asked
    scores = read_scores(tmp_path / "results" / "scores.csv")
    frame = scores.frame()
    mine = frame[(frame["benchmark"] == "asked") & (frame["metric"] == "net_win")]
    assert list(mine["stage"]) == [0, 1, 2]
    assert set(mine["unit"]) == {"judge_points"}
    assert set(mine["n"]) == {6}
    assert mine["headline"].all()
    answers = frame[(frame["benchmark"] == "asked") & (frame["metric"] == "refused")]
    assert list(mine["model_key"]) == list(answers["model_key"])  # of the models that are judged
    nodes = list((tmp_path / "store" / "judge").iterdir())
    assert len(nodes) == 3
    _check_costs(scores, nodes)
    for line in (nodes[0] / "predictions.jsonl").read_text().splitlines():
        row = json.loads(line)
        assert row["identical"] == (row["candidate"] == row["baseline"])
        lengths = len(row["candidate"]), len(row["baseline"])
        wanted = "tie" if lengths[0] == lengths[1] else "win" if lengths[0] > lengths[1] else "lose"
        assert row["result"] == wanted
    for path in (tmp_path / "store").rglob("*"):
        assert path.is_dir() or b"sk-very-secret" not in path.read_bytes()
    tables = harness(
        "tables", "--scores", str(tmp_path / "results/scores.csv"), "--out", str(tmp_path / "out")
    )
    assert tables.returncode == 0, tables.stderr
    [row] = csv.DictReader((tmp_path / "out" / "tables" / "main.csv").open())
    assert float(row["net_win_instruction"]) == pytest.approx(mine["value"].iloc[-1])
    assert float(row["net_win_instruction_spread"]) == pytest.approx(mine["stderr"].iloc[-1])


class Watching(Endpoint):
    """Looks at the command lines of all processes whenever it is asked."""

    told: bytes = b""

    def enter(self, key: str) -> Any:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # of a process that is gone, or another user's
                self.told += path.read_bytes()
        return super().enter(key)


def test_keys_are_written_nowhere_and_in_no_command_line(
    judged_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the judge and of the hub, with two ranks, in a folder of the run's own."""
    keys = {"JUDGE_API_KEY": "sk-very-secret", "HF_TOKEN": "hf_very_secret"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    with Watching() as endpoint:
        words = ["judge=http", f"judge.base_url={endpoint.url}", "judge.model=m"]
        words += ["engine.ranks=2", "judge.workers=1"]
        done = in_a_process(*judged_run, *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert endpoint.keys == {"Bearer sk-very-secret"}
        assert b"judge.model=m" in endpoint.told
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"job.json", "rank1.log", "manifest.json", "scores.csv", "judge.sqlite"} <= {
        path.name for path in written
    }
    shown = in_a_process("--cfg", "job", "--resolve", *judged_run, *words, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    for value in keys.values():
        secret = value.encode()
        assert not [path for path, content in written.items() if secret in content]
        assert secret not in endpoint.told
        assert value not in done.stdout + done.stderr + shown.stdout + shown.stderr


def _check_costs(scores: Scores, nodes: list[Path]) -> None:
    """What judging cost is a row of every stage, kept apart from what training cost."""
    frame = scores.frame()
    rows = frame[(frame["suite"] == "cost") & (frame["benchmark"] == "judge")]
    assert set(rows["subtask"]) == {"instruction/asked"}
    spent = {metric: list(part["value"]) for metric, part in rows.groupby("metric")}
    details = [json.loads((node / "details.json").read_text()) for node in nodes]
    for name in ("prompt_tokens", "completion_tokens", "price"):
        assert sorted(spent[f"judge_{name}"]) == sorted(item[name] for item in details)
    (run,) = load_runs(scores)
    tokens = sum(item["completion_tokens"] for item in details)
    assert run.costs["judge_completion_tokens"] == tokens > 0
    assert run.costs["judge_price"] == pytest.approx(tokens * 100 / 1e6)
    assert run.costs["optimizer_steps"] == 4


def test_a_local_model_may_judge(judged_run: list[str], tiny_model: Path, tmp_path: Path) -> None:
    """A random model gives no verdict: every pair is malformed, and none is called a tie."""
    local = ["judge=local", f"judge.model={tiny_model}", "judge.max_tokens=4"]
    done = harness(*judged_run, *local, "judge.malformed_retries=0", "eval.suite_stages=ends")
    assert done.returncode == 0, done.stderr
    frame = read_scores(tmp_path / "results" / "scores.csv").frame()
    mine = frame[frame["metric"] == "malformed"]
    assert list(mine["value"]) == [1.0, 1.0]
    assert frame[frame["metric"] == "tie"]["value"].isna().all()


def test_refusals(
    judged_run: list[str], tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JUDGE_API_KEY", raising=False)
    assert "the environment variable JUDGE_API_KEY holds no key" in refused(
        *judged_run, "judge=http"
    )
    monkeypatch.setenv("JUDGE_API_KEY", "k")
    assert "judge.base_url=nowhere" in refused(*judged_run, "judge=http", "judge.base_url=nowhere")
    assert "which model judges" in refused(*judged_run, "judge=local")
    local = [*judged_run, "judge=local", f"judge.model={tiny_model}"]
    assert "a local judge is greedy" in refused(*local, "judge.temperature=0.5")
    (tmp_path / "text").write_text("this is no database, but a text that is longer than a header")
    line = refused(*local, f"judge.cache={tmp_path / 'text'}")
    assert f"judge.cache: {tmp_path / 'text'} cannot hold the judge's replies" in line
    line = refused(*local, f"judge.cache={tmp_path / 'text' / 'x.sqlite'}")
    assert "its folder cannot be made" in line
    assert not (tmp_path / "store" / "train").exists()
    line = refused(*judged_run, "judge=http", "suite=[]")
    assert "no benchmark of the suites is judged" in line
    wrong = "suite.instruction.benchmarks.asked.judged=helpfull"
    assert "did you mean 'helpful'?" in refused(*judged_run, wrong)
