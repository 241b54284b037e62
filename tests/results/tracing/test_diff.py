"""What two runs of a store do not share, against what they were planned with."""

import re

import pytest
from support.command import harness, refused
from support.stored import known, planned, write

from harness.run.job import Job


@pytest.fixture
def pair(tiny_run: list[str]) -> tuple[Job, Job]:
    """The same method at two rates, of which the first has its first stage only."""
    jobs = [known(planned(tiny_run, f"train.learning_rate={rate}")) for rate in ("1e-3", "2e-3")]
    for job in jobs:
        write(job)
    return jobs[0], jobs[1]


def names(pair: tuple[Job, Job]) -> list[str]:
    return [job.plan.run["run"] for job in pair]


def diff(pair: tuple[Job, Job], *more: str) -> str:
    done = harness("diff", *names(pair), f"--store={pair[0].store.root}", *more)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_only_what_differs_is_told(pair: tuple[Job, Job]) -> None:
    lines = diff(pair).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("configuration: "))
    assert lines[at].startswith("configuration: 1 differ, ")
    assert lines[at + 1].split() == ["train.learning_rate", "0.001", "0.002"]
    assert "run: the same (10)" in lines
    assert any(re.fullmatch(r"data: the same \(\d+\)", line) for line in lines)
    keys = [[node.key for node in job.plan.nodes if node.kind == "train"] for job in pair]
    assert "stages: 2 differ, 0 are the same" in lines
    assert f"  stage 2  {keys[0][1]}  {keys[1][1]}" in lines
    # Every score that `write` makes is 0.5: op, la, bwt, forgetting, and two tasks at stage 2.
    assert "scores: the same (6)" in lines


def test_scores_are_compared_in_points(pair: tuple[Job, Job]) -> None:
    job = pair[1]
    cell = next(c for c in job.plan.cells if (c.stage, c.benchmark) == (2, "copy"))
    path = job.store.path("eval", cell.key) / "scores.json"
    path.write_text(path.read_text().replace('"value": 0.5', '"value": 0.25'))
    text = diff(pair)
    assert re.search(r"  target copy +50\.0 +25\.0 +-25\.0\n", text)
    assert re.search(r"  op +50\.0 +37\.5 +-12\.5\n", text)
    assert "target copy at stage 2" in diff(pair, "--every-stage")


def test_a_run_without_nodes_says_what_is_not_known(tiny_run: list[str]) -> None:
    pair = [known(planned(tiny_run, f"seed={seed}")) for seed in (0, 1)]
    text = diff((pair[0], pair[1]))
    assert "  seed  0  1\n" in text
    assert re.search(r"^configuration: not known, no node of run \w+ tells its own$", text, re.M)
    assert "data: not known, one run's manifests tell none" in text
    assert "scores: the same, nothing known" in text


def test_wrong_words_are_one_line(pair: tuple[Job, Job]) -> None:
    one, _ = names(pair)
    place = f"--store={pair[0].store.root}"
    assert f"RUN {one[:9]}: is the same run as {one}" in refused("diff", one, one[:9], place)
    assert "RUN zz: there is no such run" in refused("diff", one, "zz", place)
    assert "the following arguments are required" in refused("diff", one, place)
    assert "--store: there is no folder" in refused("diff", one, one, "--store=/nope")
