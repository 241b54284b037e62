"""The driver of the real model: what has rows is done, and rows of a lost store stay."""

import importlib.util
import sys
from types import ModuleType

import pytest
from support.places import REPOSITORY

from harness.errors import StageFailed
from harness.results.schema import read_scores, write_scores


@pytest.fixture
def driver(tmp_path, monkeypatch) -> ModuleType:
    """The script, in a folder of its own, with two jobs."""
    spec = importlib.util.spec_from_file_location(
        "real_model", REPOSITORY / "scripts" / "real_model.py"
    )
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "real_model", module)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "JOBS", (module.Job("seqft"), module.Job("replay", 1)))
    return module


@pytest.fixture
def calls(driver, monkeypatch, score_row) -> list[list[str]]:
    """The words of every command; a run leaves a table of its own row and of another seed's."""
    called = list[list[str]]()

    def harness(*words):
        called.append(list(words))
        method = next((w.partition("=")[2] for w in words if w.startswith("method=")), None)
        seed = next((int(w.partition("=")[2]) for w in words if w.startswith("seed=")), None)
        rows = [
            score_row(run=f"{method}-{s}", method=method, seed=s, experiment=driver.EXPERIMENT)
            for s in (seed, 7)
        ]
        if method:
            write_scores(rows, driver.OF_STORE / driver.TABLE)

    monkeypatch.setattr(driver, "_harness", harness)
    return called


def runs(driver):
    return [row["run"] for row in read_scores(driver.FOLDER / driver.TABLE).rows]


def test_each_job_adds_its_rows_once(driver, calls):
    driver.main(["engine.ranks=2"])
    assert sorted(runs(driver)) == ["replay-1", "seqft-0"]
    assert [words[0] for words in calls] == [f"experiment={driver.EXPERIMENT}", "tables"] * 2
    assert calls[2][1:] == ["method=replay", "seed=1", *calls[2][3:4], "engine.ranks=2"]
    calls.clear()
    driver.main([])
    assert calls == []


def test_rows_of_a_lost_store_stay_and_count_as_done(driver, calls, score_row):
    old = score_row(run="old", method="seqft", seed=0, experiment=driver.EXPERIMENT)
    write_scores([old], driver.FOLDER / driver.TABLE)
    driver.main([])
    assert sorted(runs(driver)) == ["old", "replay-1"]


def test_nothing_is_added_of_a_job_that_fails(driver, monkeypatch):
    monkeypatch.setattr(driver.sys, "executable", "/bin/false")
    with pytest.raises(StageFailed, match=r"method=seqft .*: exit code 1"):
        driver.main([])
    assert not (driver.FOLDER / driver.TABLE).exists()


def test_a_stack_is_a_list_of_methods(driver):
    assert driver.Job("seqft+wise_ft").overrides() == ["method=[seqft,wise_ft]"]
