"""The demo, run once: what it prints, that it repeats for free, that its tables are true.

HARNESS_DEMO=<results folder> has it looked at where `make demo` has just run it.
"""

import csv
import json
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from support.command import harness
from support.places import MICRO_MODEL

from harness.results.schema import read_scores

pytestmark = [pytest.mark.distributed, pytest.mark.slow]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder and printed text of the default run: eight tasks, all suites."""
    folder = tmp_path_factory.mktemp("demo")
    made = os.environ.get("HARNESS_DEMO")
    if made:
        shutil.copytree(made, folder / "results", ignore=shutil.ignore_patterns("store"))
        shutil.copytree(Path(made) / "store", folder / "store")
    done = harness(*_places(folder))
    assert done.returncode == 0, done.stderr[-3000:]
    assert ("trained 0 stages" if made else "trained 8 stages") in done.stdout
    return folder, done.stdout


def _places(folder: Path) -> list[str]:
    return [f"store.root={folder / 'store'}", f"store.results={folder / 'results'}"]


def _matrix(folder: Path) -> dict[tuple[int, str], float]:
    frame = read_scores(folder / "results" / "scores.csv").frame()
    target = frame[(frame["suite"] == "target") & frame["headline"] & (frame["method"] == "seqft")]
    keys = zip(target["stage"], target["benchmark"], strict=True)
    return dict(zip(keys, target["value"], strict=True))


def test_it_scores_row_0_and_the_lower_triangle(demo: tuple[Path, str]) -> None:
    folder, printed = demo
    assert len(_matrix(folder)) == 8 + 36
    assert "BWT" in printed


def test_again_there_is_nothing_to_do(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    again = harness(*_places(folder))
    assert again.returncode == 0, again.stderr
    assert "trained 0 stages, scored 0 cells" in again.stdout


def test_tables_and_plots(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    results = folder / "results"
    done = harness("tables", "--scores", str(results / "scores.csv"), "--out", str(results))
    assert done.returncode == 0, done.stderr
    written = {path.name for path in results.rglob("*") if path.is_file()}
    wanted = {"main.md", "main.csv", "main.tex", "suites.md", "matrix_seqft.md", "matrix_seqft.png"}
    assert wanted <= written


def test_metrics_equal_the_matrix_by_hand(demo: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = demo
    matrix = _matrix(folder)
    tasks = [task for stage, task in matrix if stage == 0]
    order = sorted(tasks, key=lambda task: min(s for s, t in matrix if t == task and s > 0))
    scores = tmp_path / "scores.csv"
    with scores.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["stage", "task", "value"])
        writer.writerows([stage, task, value] for (stage, task), value in matrix.items())
    done = harness("metrics", str(scores), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    last = [matrix[8, task] for task in order]
    diagonal = [matrix[i, task] for i, task in enumerate(order, start=1)]
    changes = [end - own for end, own in zip(last[:7], diagonal[:7], strict=True)]
    assert found["op"] == pytest.approx(sum(last) / 8)
    assert found["learning_accuracy"] == pytest.approx(sum(diagonal) / 8)
    assert found["bwt"] == pytest.approx(sum(changes) / 7)


def test_floors_are_the_share_of_the_majority_class(demo: tuple[Path, str]) -> None:
    frame = read_scores(demo[0] / "results" / "scores.csv").frame()
    chosen = (frame["benchmark"] == "micro_stance") & (frame["method"] == "seqft")
    rows = frame[frame["headline"] & chosen]
    items = json.loads((MICRO_MODEL.parent / "data" / "micro_stance" / "test.json").read_text())
    largest = Counter(item["answer"] for item in items).most_common(1)[0][1] / len(items)
    assert rows["floor"].tolist() == [pytest.approx(largest)] * 9


def test_a_new_suite_scores_but_trains_nothing(demo: tuple[Path, str]) -> None:
    """Another suite entry adds nine cells and no training."""
    folder, _ = demo
    more = harness(
        *_places(folder),
        "suite.safety.benchmarks.micro_refusal.limit=10",
    )
    assert more.returncode == 0, more.stderr
    assert "trained 0 stages, scored 9 cells" in more.stdout


def test_the_worker_started_once(demo: tuple[Path, str]) -> None:
    folder, _ = demo
    jobs = [json.loads(path.read_text()) for path in folder.glob("store/logs/*/job.json")]
    own = [job["works"] for job in jobs if job["config"]["method"]["name"] == "seqft"]
    assert sum(any(work["kind"] == "train" for work in works) for works in own) == 1
