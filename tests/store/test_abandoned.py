"""What is left of scoring that nobody goes on with is removed; what a living process of any machine
works on is not, however old it looks."""

import os
from pathlib import Path

import pytest
from support.command import harness
from support.stored import holding

from harness.store.abandoned import DAY, Swept, sweep_abandoned
from harness.store.store import Store


def left(store: Path, key: str, days: float) -> Path:
    """What a run left so many days ago: requests, and two answers that came an hour later."""
    folder = store / "partial" / "eval" / key
    folder.mkdir(parents=True)
    now = folder.stat().st_mtime
    for name, hours in (("requests.json", 1), ("answers-00000.json", 0), ("answers-00001.json", 0)):
        (folder / name).write_text("x" * 100)
        then = now - days * DAY - hours * 3600
        os.utime(folder / name, (then, then))
    os.utime(folder, (now - days * DAY,) * 2)
    return folder


def there(store: Path) -> list[str]:
    return sorted(path.name for path in (store / "partial" / "eval").iterdir())


def test_only_what_is_old_goes(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert sweep_abandoned(store, 30) == Swept(0, 0)
    for key, days in (("old", 31), ("young", 29), ("older", 400)):
        left(tmp_path, key, days)
    assert sweep_abandoned(store, None) == Swept(0, 0)
    assert sweep_abandoned(store, 30) == Swept(2, 600)
    assert there(tmp_path) == ["young"]
    assert list((tmp_path / "locks").iterdir()) == []


def test_one_new_answer_keeps_all_of_them(tmp_path: Path) -> None:
    folder = left(tmp_path, "k", 400)
    (folder / "answers-00001.json").write_text("new")
    os.utime(folder, (0, 0))
    assert sweep_abandoned(Store(tmp_path), 30).works == 0
    assert there(tmp_path) == ["k"]


def test_what_is_finished_needs_no_age(tmp_path: Path) -> None:
    store = Store(tmp_path)
    left(tmp_path, "k", 0)
    left(tmp_path, "other", 0)
    with store.writing("eval", "k", {}) as folder:
        (folder / "details.json").write_text("{}")
    assert sweep_abandoned(store, None) == Swept(1, 300)
    assert there(tmp_path) == ["other"]


@pytest.mark.parametrize("host", [None, "far"])
def test_what_a_living_process_works_on_stays(tmp_path: Path, host: str | None) -> None:
    store = Store(tmp_path)
    left(tmp_path, "busy", 400)
    left(tmp_path, "idle", 400)
    with holding(tmp_path, "eval", "busy", host) as process:
        assert sweep_abandoned(store, 30).works == 1
        assert there(tmp_path) == ["busy"]
        process.kill()
        process.wait()
        if host:  # dead or silent: nobody here can tell, until it has been silent for long
            assert sweep_abandoned(store, 30).works == 0
            [lease] = (tmp_path / "leases").glob("*.lease")
            os.utime(lease, (0, 0))
        assert sweep_abandoned(store, 30).works == 1
    assert there(tmp_path) == []


@pytest.mark.distributed
def test_a_run_says_what_it_removes(tiny_run: list[str], tmp_path: Path) -> None:
    """Before it starts; `plan` removes nothing."""
    folder = left(tmp_path / "store", "k", 5)
    few = ["method=icl", "method.prompting.demonstrations=1", "eval.limit=1", "task=[copy]"]
    asked = [word for word in tiny_run if not word.startswith("task=")]
    planned = harness("plan", *asked, *few, "store.forget_days=4")
    assert planned.returncode == 0, planned.stderr
    assert folder.exists()
    done = harness("run", *asked, *few, "store.forget_days=4")
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stdout.splitlines() if "partial" in line]
    assert "what was kept of 1 pieces of work removed from partial/" in line
    assert "untouched for 4 days (store.forget_days)" in line
    assert not folder.exists()
    wrong = harness("plan", *asked, *few, "store.forget_days=0")
    assert wrong.returncode == 2
    assert wrong.stderr.strip() == (
        "error: store.forget_days=0: use a positive number of days, or null = never"
    )
