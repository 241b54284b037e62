"""The installed wheel carries its configs and data and works from any folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.places import REPOSITORY


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as pip would put it into site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--wheel-dir", str(folder), str(REPOSITORY)),
        ],
        check=True,
    )
    [wheel] = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    return folder / "site"


def harness(site: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(site)},
        check=False,
    )


def test_configs_and_data_come_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    shown = harness(installed, tmp_path, "--cfg", "job", "--resolve")
    assert shown.returncode == 0, shown.stderr
    assert f"path: {installed}/harness/data/micro/model" in shown.stdout
    assert (installed / "harness" / "equivalence.csv").is_file()
    planned = harness(installed, tmp_path, "plan", "experiment=smoke")
    assert planned.returncode == 0, planned.stderr
    assert "25 nodes, 0 done" in planned.stdout


@pytest.mark.distributed
def test_a_run_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    done = harness(installed, tmp_path, "experiment=smoke", "suite=[]")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "scores.csv").is_file()
