"""Where the kernel counts what it killed for want of memory."""

from pathlib import Path

import pytest

from harness.run.launch import oom_kills as counts
from harness.run.launch.oom_kills import oom_kills


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/job/7\n", {"job/7/memory.events": "low 0\noom 5\noom_kill 3\n"}, 3),
        ("0::/job/7\n", {"memory.events": "oom_kill 2\n"}, 2),  # seen from inside a container
        (
            "4:memory:/a/b\n0::/\n",
            {"memory/a/b/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"},
            4,
        ),
        ("0::/\n", {}, 9),
        (None, {}, 9),
    ],
)
def test_of_the_group_else_of_the_machine(
    groups: str | None,
    files: dict[str, str],
    expected: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counts, "CGROUPS", tmp_path / "sys")
    monkeypatch.setattr(counts, "OF_MACHINE", tmp_path / "vmstat")
    (tmp_path / "vmstat").write_text("nr_free_pages 8\noom_kill 9\n")
    for name, text in files.items():
        place = tmp_path / "sys" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    if groups is not None:
        (tmp_path / "cgroup").write_text(groups)
    assert oom_kills(tmp_path / "cgroup") == expected


def test_nothing_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "OF_MACHINE", tmp_path / "none")
    assert oom_kills(tmp_path / "none") == 0
