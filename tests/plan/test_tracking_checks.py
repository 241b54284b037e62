"""A tracker that cannot be reached is one line before anything loads."""

from pathlib import Path

import pytest
from support.command import harness

from harness.config import HarnessConfig
from harness.config.choices import Tracker
from harness.config.compose.compose import load
from harness.plan.checks import tracking
from harness.plan.checks.tracking import tracking_mistakes

NO_KEY = (
    "tracking=[wandb]: there is no key; set WANDB_API_KEY (or `wandb login`), or "
    "WANDB_MODE=offline to keep the runs on this machine"
)


@pytest.fixture
def nothing_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """All packages are there, and no key."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setattr(tracking, "find_spec", lambda name: object())
    return monkeypatch


def of(tiny_run: list[str], *names: str) -> HarnessConfig:
    return load([*tiny_run, f"tracking=[{','.join(names)}]"])


def test_a_key_or_none_needed(
    tiny_run: list[str], tmp_path: Path, nothing_told: pytest.MonkeyPatch
) -> None:
    asked = of(tiny_run, "wandb", "mlflow")
    assert asked.tracking == [Tracker.wandb, Tracker.mlflow]
    assert tracking_mistakes(asked) == [NO_KEY]
    nothing_told.setenv("WANDB_MODE", "offline")
    assert tracking_mistakes(asked) == []
    nothing_told.setenv("WANDB_MODE", "online")
    assert tracking_mistakes(asked) == [NO_KEY]
    (tmp_path / "netrc").write_text("machine my.server login user password of-a-test\n")
    assert tracking_mistakes(asked) == [NO_KEY]
    nothing_told.setenv("WANDB_BASE_URL", "https://my.server/api")
    assert tracking_mistakes(asked) == []


def test_a_package_that_is_missing(tiny_run: list[str], nothing_told: pytest.MonkeyPatch) -> None:
    nothing_told.setattr(tracking, "find_spec", lambda name: None)
    assert tracking_mistakes(of(tiny_run, "trackio", "trackio")) == [
        "tracking=[trackio]: the package trackio is not installed; "
        "pip install 'trace-harness[trackio]'"
    ]


def test_a_tracker_that_is_none(tiny_run: list[str]) -> None:
    done = harness("plan", *tiny_run, "tracking=[tensorbored]")
    assert done.returncode == 2
    assert "tensorbored" in done.stderr
    assert "[tensorboard, wandb, mlflow, trackio]" in done.stderr
    assert done.stderr.count("\n") == 1


def test_trackers_are_no_part_of_what_a_run_is(tiny_run: list[str]) -> None:
    from harness.plan.planner import make_plan
    from harness.store.keys import FileHashes

    plain, asked = (make_plan(c, FileHashes()) for c in (load(tiny_run), of(tiny_run, "mlflow")))
    assert plain.run == asked.run
    assert [node.key for node in plain.nodes] == [node.key for node in asked.nodes]
