"""Studies whose rows are kept: what has rows is done, and rows of a lost store stay."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import methods_demo
import pytest
import real_model
from keeping import study
from keeping.jobs import Job
from keeping.study import Study
from support.places import REPOSITORY

from harness.config.compose.compose import compose_job
from harness.errors import ConfigError, DataError, StageFailed
from harness.results.schema import read_scores, write_scores
from harness.run.job import make_jobs
from harness.store.layout import TABLE


@pytest.fixture
def driver(tmp_path, monkeypatch) -> Study:
    """The study of the real model, in a folder of its own, with two jobs."""
    monkeypatch.chdir(tmp_path)
    return replace(real_model.STUDY, jobs=(Job("seqft"), Job("replay", 1)))


CELLS = {(1, "a_1"): 0.8, (2, "a_1"): 0.4, (2, "b"): 0.6}


@pytest.fixture
def made(driver, run_rows):
    """The rows of a complete run of the experiment."""

    def rows(method, seed, name="", cells=CELLS):
        run = name or f"{method}-{seed}"
        return run_rows(run, cells, method=method, seed=seed, experiment=driver.experiment)

    return rows


@pytest.fixture
def calls(driver, monkeypatch, made) -> list[list[str]]:
    """The words of every command; a run leaves a table of its own rows and of another seed's."""
    called = list[list[str]]()

    def harness(*words):
        called.append(list(words))
        if words[0] == "tables":
            main = driver.folder / "tables" / "main.md"
            main.parent.mkdir(exist_ok=True)
            main.touch()
            return
        told = dict(word.split("=", 1) for word in words)
        seed = int(told["seed"])
        rows = [*made(told["method"], seed), *made(told["method"], 7)]
        write_scores(rows, driver.of_store / TABLE)

    monkeypatch.setattr(study, "run_harness", harness)
    return called


def runs(driver):
    return sorted({row["run"] for row in read_scores(driver.table).rows})


def test_each_job_adds_its_rows_once(driver, calls):
    driver.main(["engine.ranks=2"])
    assert runs(driver) == ["replay-1", "seqft-0"]
    assert [words[0] for words in calls] == [f"experiment={driver.experiment}", "tables"] * 2
    assert calls[2][1:] == ["method=replay", "seed=1", "engine.ranks=2"]
    calls.clear()
    driver.main([])
    assert calls == []


def test_rows_of_a_lost_store_stay_and_count_as_done(driver, calls, score_row):
    old = score_row(run="old", method="seqft", seed=0, experiment=driver.experiment)
    write_scores([old], driver.table)
    driver.main([])
    assert runs(driver) == ["old", "replay-1"]


def test_nothing_is_added_of_a_job_that_fails(driver, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(StageFailed, match=r"method=seqft .*: exit code 1"):
        driver.main([])
    assert not (driver.table).exists()


def test_a_run_that_lacks_a_cell_or_has_one_undone_is_not_kept(driver, made):
    job, table = Job("seqft"), driver.of_store / TABLE
    lacking = made("seqft", 0, cells={(1, "a_1"): 0.8, (2, "a_1"): 0.4})
    whole = made("seqft", 0)
    undone = whole[0] | {"metric": "other", "headline": False, "value": None, "status": "failed"}
    for rows in (lacking, [*whole, undone]):
        write_scores(rows, table)
        with pytest.raises(
            DataError, match=r"store_only/scores.csv: method seqft, seed 0: no comp"
        ):
            driver.add(job)
    write_scores([*made("seqft", 0), *made("seqft", 0, "old", cells={(1, "a_1"): 0.1})], table)
    driver.add(job)
    assert runs(driver) == ["seqft-0"]


def test_of_two_complete_runs_none_is_chosen(driver, made):
    write_scores([*made("seqft", 0), *made("seqft", 0, "other")], driver.of_store / TABLE)
    with pytest.raises(
        DataError, match=r"method seqft, seed 0: 2 complete runs \(other, seqft-0\)"
    ):
        driver.add(Job("seqft"))
    assert not (driver.table).exists()


def test_tables_that_a_run_did_not_come_to_are_made_at_the_end(driver, calls):
    driver.main([])
    main, scores = driver.folder / "tables" / "main.md", driver.table
    for spoil in (main.unlink, lambda: os.utime(main, ns=(0, 0))):
        calls.clear()
        spoil()
        driver.main([])
        assert calls == [["tables", "--scores", str(scores), "--out", str(driver.folder)]]


@pytest.mark.parametrize("word", ["seed=3", "method=ewc", "+experiment=demo", "store.results=here"])
def test_what_the_jobs_decide_is_no_override(driver, calls, word):
    with pytest.raises(ConfigError, match=rf"^{re.escape(word)}: .* leave it out") as caught:
        driver.main(["engine.ranks=2", word])
    assert "\n" not in str(caught.value)
    assert calls == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], ["train.max_steps=96"]),  # 8 tasks of 12 steps
        (["++train.max_steps=5", "engine.ranks=2"], ["engine.ranks=2", "train.max_steps=40"]),
        (["train.max_steps=null"], ["train.max_steps=null"]),
    ],
)
def test_joint_training_takes_the_steps_of_all_tasks(driver, given, words):
    first = [f"experiment={driver.experiment}", "method=joint", "seed=0"]
    assert driver.words(Job("joint"), given) == [*first, *words]


def test_the_experiment_keeps_away_from_the_committed_table(driver):
    config = compose_job([f"experiment={driver.experiment}"])
    assert config.store.results == str(driver.of_store)


# Stands in for `python -m harness`: says that it runs, and takes its time to end.
CHILD = """#!{python}
import pathlib, signal, sys, time
def end(number, frame):
    time.sleep(0.5)
    pathlib.Path("ended").write_text(signal.Signals(number).name)
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
pathlib.Path("runs").touch()
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 143)]
)
def test_what_ends_the_driver_ends_its_job_first(tmp_path, number, code):
    child = tmp_path / "child"
    child.write_text(CHILD.format(python=sys.executable))
    child.chmod(0o755)
    script = REPOSITORY / "scripts" / "real_model.py"
    started = f"""
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.executable, sys.argv = {str(child)!r}, ["real_model.py"]
sys.path.insert(0, {str(script.parent)!r})
runpy.run_path({str(script)!r}, run_name="__main__")
"""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", started]
    heard = tmp_path / "stderr"  # a pipe would be waited for until the job, too, has closed it
    with (
        heard.open("w") as err,
        subprocess.Popen(
            command, cwd=tmp_path, env=environment, stderr=err, process_group=0
        ) as driver,
    ):
        while not (tmp_path / "runs").exists() and driver.poll() is None:
            time.sleep(0.05)
        os.killpg(driver.pid, number)  # as a terminal does
    told = heard.read_text()
    assert driver.returncode == code, told
    assert (tmp_path / "ended").read_text() == "SIGTERM"
    assert "Traceback" not in told


def test_a_stack_is_a_list_of_methods(driver):
    assert Job("seqft+wise_ft").overrides() == ["method=[seqft,wise_ft]"]


def test_rows_of_a_definition_of_old_are_made_again(driver, calls, score_row):
    """The key of the run says so; a job's new rows take the place of its old ones."""
    old = score_row(run="old", method="seqft", seed=0, experiment=driver.experiment)
    write_scores([old], driver.table)
    keys = {"method=seqft": "seqft-0", "method=replay": "replay-1"}
    asked = replace(driver, run_of=lambda words: keys[words[1]])
    asked.main([])
    assert runs(driver) == ["replay-1", "seqft-0"]
    calls.clear()
    asked.main([])
    assert calls == []


def test_every_method_of_the_demo_has_three_seeds():
    jobs = methods_demo.jobs()
    assert [job.method for job in jobs[:2]] == ["seqft", "replay"]
    assert [job.seed for job in jobs if job.method == "seqft"] == [0, 1, 2]
    assert [job.seed for job in jobs if job.method == "icl"] == [0]


# foreign and between train nothing of their own; the ranks are a study of their own.
NO_METHOD = {"foreign", "between", "lora_rank1", "lora_rank4", "lora_rank16", "lora_rank64"}


def test_every_preset_is_in_the_demo_and_can_be_run():
    presets = {path.stem for path in (REPOSITORY / "conf" / "method").glob("*.yaml")}
    jobs = [job for job in methods_demo.jobs() if job.seed == 0]
    shown = {part for job in jobs for part in job.method.split("+")}
    assert presets - shown == NO_METHOD
    make_jobs([methods_demo.words(job, []) for job in jobs])  # refuses what is impossible


def test_the_key_of_a_run_is_that_of_its_rows(tiny_run, monkeypatch):
    words = [*tiny_run, "method=seqft", "seed=0"]
    assert methods_demo.run_of(words) == methods_demo.run_of([*words, "engine.ranks=2"])
    assert methods_demo.run_of(words) != methods_demo.run_of([*words, "seed=1"])


def test_the_methods_demo_keeps_away_from_the_committed_table():
    config = compose_job([f"experiment={methods_demo.EXPERIMENT}"])
    assert config.store.results == "results/methods/store_only"
