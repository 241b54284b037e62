"""Every job is composed, checked and planned once, and goes whole to whoever does it."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from harness.cli import run
from harness.cli.main import main
from harness.config.compose import compose as composing
from harness.config.launched import Launched
from harness.config.places import parse
from harness.data import rows
from harness.errors import ConfigError, Mistakes, StageFailed
from harness.run import job as jobs
from harness.run import tables
from harness.run.job import make_jobs
from harness.run.parent import require_ready
from harness.run.tables import Tables


class Counter:
    """Counts the calls of a module's functions, by name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch, self.calls = monkeypatch, dict[str, int]()

    def watch(self, module: Any, name: str) -> None:
        function, self.calls[name] = getattr(module, name), 0

        def counted(*words: Any, **options: Any) -> Any:
            self.calls[name] += 1
            return function(*words, **options)

        self.monkeypatch.setattr(module, name, counted)


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    return Counter(monkeypatch)


def test_a_sweep_composes_checks_and_plans_each_job_once(
    tiny_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counter: Counter, capsys
) -> None:
    done = []

    def fail(job: jobs.Job, *others: object) -> None:
        done.append(job)
        raise StageFailed("stage 1: it is a test")

    monkeypatch.setattr(run, "finish", fail)
    counter.watch(composing, "compose_whole")
    counter.watch(jobs, "mistakes")
    counter.watch(jobs, "make_plan")
    counter.watch(tables, "rebuild_table")
    assert main(["-m", *tiny_run, "seed=0,1", "method=seqft,replay"]) == 1
    assert counter.calls == {"compose_whole": 4, "mistakes": 4, "make_plan": 4, "rebuild_table": 1}
    assert [(job.config.seed, job.config.method.name) for job in done] == [
        (0, "seqft"), (0, "replay"), (1, "seqft"), (1, "replay"),
    ]  # fmt: skip
    printed = capsys.readouterr()
    assert "0 of 4 jobs complete" in printed.out
    assert printed.err.count("error: stage 1: it is a test") == 4
    assert printed.out.count("first: score copy; failed: stage 1: it is a test") == 4


def test_a_file_of_rows_is_parsed_once_per_state(
    tiny_run: list[str], tiny_data: Path, counter: Counter
) -> None:
    rows._read.cache_clear()
    counter.watch(rows, "parse_rows")
    make_jobs([[*tiny_run, f"seed={seed}"] for seed in range(3)])
    read = {tiny_data / task / f"{split}.json" for task in ("copy", "count") for split in
            ("train", "test")}  # fmt: skip
    assert counter.calls["parse_rows"] == len(read)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text('[{"prompt": "a", "answer": "b"}]')
    before = rows.read_rows(path)
    path.write_text('[{"prompt": "a", "answer": "b"}, {"prompt": "c", "answer": "d"}]')
    assert (len(before), len(rows.read_rows(path))) == (1, 2)


def test_a_job_is_found_by_its_number_in_another_process_too(
    tiny_run: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hydra writes values in its own way, and launchers send what they call to their processes."""
    import cloudpickle

    given = [[*tiny_run, f"train.learning_rate={rate}"] for rate in ("1e-3", "0.002")]
    made = make_jobs(given)
    task = cloudpickle.loads(cloudpickle.dumps(run._Task(made, None, Tables(made))))
    monkeypatch.setattr(run, "make_jobs", None)  # nothing is made again
    for number, rate in enumerate((0.001, 0.002)):
        told = [item for item in parse(given[number]) if "searchpath" not in item.key_or_group]
        words = [f"{item.get_key_element()}={item.get_value_element_as_str()}" for item in told]
        found = run._job(task.jobs, number, words)
        assert found is task.jobs[number]
        assert found.config.train.learning_rate == rate


def test_a_job_that_a_sweeper_invents_is_made_when_it_comes(tiny_run: list[str]) -> None:
    made = make_jobs([[*tiny_run, "seed=0"]])
    assert run._job(made, 0, [*tiny_run, "seed=7"]).config.seed == 7
    assert run._job(made, 1, [*tiny_run, "seed=0"]).config.seed == 0


def test_hydra_is_asked_only_for_what_it_alone_does(tiny_run: list[str]) -> None:
    own = [tiny_run, [*tiny_run, "hydra/launcher=joblib"], [*tiny_run, "hydra.job.chdir=false"]]
    assert [job.composition.asks_hydra for job in make_jobs(own)] == [False, True, True]


def test_nothing_is_written_where_one_of_several_jobs_is_wrong(
    tiny_run: list[str], tmp_path: Path
) -> None:
    with pytest.raises(Mistakes) as caught:
        make_jobs([tiny_run, [*tiny_run, "seed=-1"], [*tiny_run, "train.epochs=0"]])
    assert str(caught.value).splitlines() == [
        "seed=-1: it must be 0 or more", "train.epochs=0: it must be at least 1",
    ]  # fmt: skip
    assert not (tmp_path / "store").exists()


SKIP = "sweep.skip_invalid=true"


def test_a_refused_job_of_a_sweep_is_left_out_where_that_is_asked_for(
    tiny_run: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    done = []
    monkeypatch.setattr(run, "finish", lambda job, *others: done.append(job.config))
    monkeypatch.setattr("harness.cli.outcome.show_outcome", lambda *what, **how: None)
    rates = "train.batch_size=4,0,two", "method=seqft,hft"
    assert main(["-m", *tiny_run, SKIP, *rates]) == 1
    assert [config.train.batch_size for config in done] == [4, 4]
    printed = capsys.readouterr()
    lines = [line for line in printed.out.splitlines() if ": skipped: " in line]
    assert lines[0] == (
        "train.batch_size=0 method=seqft: skipped: train.batch_size=0: it must be at least 1"
    )
    assert len(lines) == 4
    assert all("train.batch_size: Value 'two'" in line for line in lines[2:])
    assert "Traceback" not in printed.err
    assert "0 of 6 jobs complete" in printed.out  # nothing was really done


def test_a_sweep_without_a_job_that_can_run_is_refused(tiny_run: list[str], tmp_path: Path) -> None:
    wrong = [[*tiny_run, SKIP, "seed=-1"], [*tiny_run, SKIP, "train.epochs=0"]]
    with pytest.raises(Mistakes):
        jobs.make_sweep(wrong)
    assert not (tmp_path / "store").exists()


def test_a_launcher_of_hydras_is_given_nothing_that_it_cannot_compose(
    tiny_run: list[str],
) -> None:
    wrong = ["-m", *tiny_run, SKIP, "hydra/launcher=joblib", "train.batch_size=4,two"]
    with pytest.raises(ConfigError, match=r"train\.batch_size: Value 'two'"):
        main(wrong)


def test_what_a_job_reads_and_cannot_have_leaves_it_out_too(
    tiny_run: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    lists = [[*tiny_run, SKIP], [*tiny_run, SKIP, "model.path=nobody/nothing"]]
    sweep = jobs.make_sweep(lists, require_ready)
    assert [job.config.model.name for job in sweep.jobs] == ["model"]
    (refused,) = sweep.refused
    assert refused.name == "model.path=nobody/nothing"
    assert "model.path: nobody/nothing is not in the cache" in refused.lines[0]


def test_any_error_of_a_job_leaves_the_others_of_a_sweep_running(
    tiny_run: list[str], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    def fail(job: jobs.Job, *others: object) -> None:
        raise ConfigError(f"seed {job.config.seed}: it is a test")

    monkeypatch.setattr(run, "finish", fail)
    assert main(["-m", *tiny_run, "seed=0,1"]) == 1
    assert "seqft seed=1 on micro8: 7 nodes missing, first: score copy; failed: seed 1: it is" in (
        capsys.readouterr().out
    )
    with pytest.raises(ConfigError, match="seed 0: it is a test"):
        main(tiny_run)


def test_the_key_of_sweeps_makes_no_other_run(tiny_run: list[str]) -> None:
    first, second = make_jobs([tiny_run, [*tiny_run, SKIP]])
    assert first.plan.run == second.plan.run


def test_jobs_of_slurm_are_checked_for_another_machine(tiny_run: list[str]) -> None:
    assert run.runs_elsewhere([*tiny_run, "hydra/launcher=slurm_gpu"])
    assert not run.runs_elsewhere([*tiny_run, "hydra/launcher=joblib"])


def test_a_slurm_job_with_other_tasks_than_ranks(
    tiny_run: list[str], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """Told before anything is trained; in a sweep the other jobs go on."""
    monkeypatch.setattr(run, "joined", lambda peers: nullcontext())
    monkeypatch.setattr(run, "finish", lambda job, *others: pytest.fail("it was started"))
    (job,) = make_jobs([[*tiny_run, "engine.ranks=2"]])
    task = run._Task(
        [job], None, Tables([job]), swept=True
    )  # one job, which submitit would wrap the error of
    task.do(0, job, Launched(0, 4, 0, 2, "node1", 12000))
    assert "error: engine.ranks=2, but the job was given 4 tasks" in capsys.readouterr().err
