"""What a store holds and how far its runs are; nothing is written."""

import re
from pathlib import Path

import pytest
from support.command import harness, refused
from support.stored import holding, known, planned, write

from harness.cli.unfinished import leave_reason
from harness.run.job import Job
from harness.store import contents as contents_of_stores


def run_line(told: str, run: str) -> list[str]:
    [line] = [line for line in told.splitlines() if line.startswith(f"{run} ")]
    return line.split()


def test_runs_with_what_is_there_of_them(
    finished: Job, place: str, tiny_run: list[str], contents
) -> None:
    other = known(planned(tiny_run, "seed=1"))
    first, *_ = other.plan.nodes  # of stage 0, which both have
    before = contents(finished.store.root)
    told = harness("store", "ls", place).stdout
    run, half = finished.plan.run["run"], other.plan.run["run"]
    assert run_line(told, run)[:6] == [run, "seqft", "micro8", "0", "2/2", "5/5"]
    assert run_line(told, half)[:6] == [half, "seqft", "micro8", "1", "0/2", "2/5"]
    nodes = harness("store", "ls", "--nodes", place).stdout.splitlines()
    [shared] = [line for line in nodes if first.key in line]
    assert set(shared.split()[-2:]) == {run[:12], half[:12]}
    assert nodes[-1].startswith("7 nodes, unused: 0 (0 B)")
    assert contents(finished.store.root) == before


def test_bytes_by_sort_are_those_of_the_files(finished: Job, place: str) -> None:
    root = finished.store.root
    with finished.store.writing("eval", "0" * 20, {}) as folder:
        (folder / "predictions.jsonl").write_text("x" * 1000)
    (root / "logs" / "one").mkdir(parents=True)
    (root / "logs" / "one" / "rank0.log").write_text("y" * 300)
    told = harness("store", "du", place).stdout
    amounts = dict(re.findall(r"^(\S.*?) {2,}([\d.]+ \w+)$", told, re.M))
    sums = {
        "weights": sum(path.stat().st_size for path in root.rglob("*.safetensors")),
        "predictions": sum(path.stat().st_size for path in root.rglob("predictions.jsonl")),
        "logs": 300,
        "in all": sum(path.stat().st_size for path in root.rglob("*") if path.is_file()),
    }
    shown = {name: f"{n} B" if n < 1000 else f"{n / 1000:.1f} kB" for name, n in sums.items()}
    assert {name: amounts[name] for name in sums} == shown
    one = next(root.rglob("*.safetensors")).stat().st_size
    assert f"`clean --keep ends` would free {one} B" in told
    unused = sum(path.stat().st_size for path in (root / "eval" / ("0" * 20)).iterdir())
    assert f"`clean --unused` would free {unused / 1000:.1f} kB" in told
    assert "unused: 1 " in harness("store", "ls", "--nodes", place).stdout


def test_a_file_that_vanishes_is_not_counted(tmp_path: Path, monkeypatch) -> None:
    listed = contents_of_stores.files_below

    def vanishing(place: Path):
        for entry in list(listed(place)):
            if entry.name == "gone":
                Path(entry.path).unlink()
            yield entry

    for name in ("gone", "stays"):
        (tmp_path / name).write_text("x" * 10)
    monkeypatch.setattr(contents_of_stores, "files_below", vanishing)
    assert contents_of_stores.bytes_below(tmp_path) == 10


def test_a_reason_that_cannot_be_written_ends_nothing(finished: Job) -> None:
    (finished.store.root / "logs").write_text("")
    leave_reason(finished, "it is a test")


def status(job: Job, place: str) -> tuple[str, str]:
    """The word for a run, and the line below the table."""
    told, run = harness("status", place), job.plan.run["run"]
    assert (told.returncode, told.stderr) == (0, "")
    lines = [line for line in told.stdout.splitlines() if line.startswith(run)]
    return lines[0].split()[4], " ".join(lines[1:])


def test_every_status(finished: Job, place: str, tiny_run: list[str], contents) -> None:
    root = finished.store.root
    assert status(finished, place) == ("done", "")
    alone = known(planned([*tiny_run, "eval.stage0=false"], "seed=1"))
    assert status(alone, place) == ("missing", "")
    write(alone, ("train",))
    assert status(alone, place) == ("interrupted", "")
    sharing = known(planned(tiny_run, "seed=2"))  # its scores of stage 0 are those of another run
    assert sharing.store.done("eval", sharing.plan.nodes[0].key)
    assert status(sharing, place) == ("missing", "")
    log = root / "logs" / "20260101-000000-x" / "rank0.log"
    leave_reason(alone, f"stage 1, score copy: ValueError: it is a test (log: /elsewhere{log})")
    before = contents(root)
    told = f"failed: stage 1, score copy: ValueError: it is a test (log: {log})"
    assert status(alone, place) == ("failed", f"{alone.plan.run['run']} {told}")
    assert contents(root) == before
    node = alone.plan.nodes[-1]
    with holding(root, node.kind, node.key) as process:
        word, line = status(alone, place)
        assert word == "running"
        assert f"running: score count at stage 2; process {process.pid} on " in line
        assert " since 20" in line
        process.kill()
        process.wait()
        assert status(alone, place)[0] == "failed"
    write(alone)
    assert status(alone, place) == ("done", "")


def test_a_run_whose_scores_are_there_is_done_without_its_stages(finished: Job, place: str) -> None:
    """As its command would say."""
    first = finished.plan.nodes[-1].needs()[0]
    with finished.store.locks([first]) as held:
        finished.store.remove(*first, held.token)
    assert status(finished, place) == ("done", "")


@pytest.mark.parametrize("words", [["store", "ls"], ["store", "du"], ["status"]])
def test_an_empty_store_and_none(words: list[str], tmp_path: Path) -> None:
    assert harness(*words, f"--store={tmp_path}").returncode == 0
    assert refused(*words, "--store=/nowhere").endswith("--store: there is no folder /nowhere")


def test_a_damaged_record_is_named_and_the_others_are_told(finished: Job, place: str) -> None:
    (finished.store.root / "runs" / "x.json").write_text("{}")
    for words in (["store", "ls"], ["status"]):
        told = harness(*words, place).stdout
        assert "x.json: not the record of a run" in told
        assert finished.plan.run["run"] in told


def test_words_that_are_no_verbs() -> None:
    assert refused("store", "verfy") == (
        "error: harness store verfy: say first what to do; did you mean 'verify'?"
    )
    assert "say first what to do; known: ls, du" in refused("store", "--forget", "x")
