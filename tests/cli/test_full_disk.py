"""A disk that is full before a command begins."""

from pathlib import Path

from support.command import harness
from support.small_disk import fill, small_disk


def test_one_line_and_what_to_do(tiny_run: list[str], tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2) as disk:
        fill(disk)
        told = harness(*tiny_run, f"store.root={disk / 'store'}")
    assert told.returncode == 1
    [line] = told.stderr.splitlines()
    assert line.startswith(f"error: {disk / 'store'}/")
    assert "No space left on device" in line
    assert "`store clean` would free" in line
