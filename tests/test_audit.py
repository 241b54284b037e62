"""`make audit`: what it says, and its exit code, for every answer of pip-audit; here a program that
gives that answer, since what is known of versions changes every day."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.places import REPOSITORY

SCRIPT = REPOSITORY / "scripts" / "audit.py"
FAULT = {"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": [], "description": "x"}
FINE = {"name": "a", "version": "1.0", "vulns": []}
BAD = {"name": "b", "version": "1.0", "vulns": [FAULT]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


def audit(tmp_path: Path, answer: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """The pins are kept beside the answer's program, as it was given them."""
    program = tmp_path / "env" / "bin" / "pip-audit"
    program.parent.mkdir(parents=True)
    program.write_text(
        f"#!{sys.executable}\nimport pathlib, sys\n"
        "given = pathlib.Path(sys.argv[sys.argv.index('-r') + 1]).read_text()\n"
        f"pathlib.Path({str(tmp_path / 'given')!r}).write_text(given)\n"
        f"print({answer!r})\nprint('what went wrong', file=sys.stderr)\nsys.exit({code})\n"
    )
    program.chmod(0o755)
    (tmp_path / "pins.txt").write_text("# pins\na==1.0  # why\nb==1.0+cpu\nc>=2\n")
    words = ["--pins", str(tmp_path / "pins.txt"), "--venv", str(tmp_path / "env")]
    return subprocess.run(
        [sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("listed", "code", "out", "err"),
    [
        ([FINE], 0, "audit: 1 of 1 pins, 0 known faults", ""),
        ([FINE, BAD], 1, "b 1.0: PYSEC-1, mended in 1.1\naudit: 2 of 2 pins, 1 known faults", ""),
        ([FINE, UNKNOWN], 2, "audit: 1 of 2 pins, 0 known faults", "audit: not looked up: c"),
        ([UNKNOWN], 2, "", "audit: nothing was audited: the service pypi knows none of the 2 pins"),
    ],
)
def test_what_it_says(listed: list[dict], code: int, out: str, err: str, tmp_path: Path) -> None:
    done = audit(tmp_path, json.dumps({"dependencies": listed}), code=int(BAD in listed))
    assert (done.returncode, done.stdout.strip()) == (code, out)
    assert done.stderr.startswith(err)
    assert len(done.stderr.splitlines()) == bool(err)
    assert (tmp_path / "given").read_text() == "a==1.0\nb==1.0\n"


def test_no_network_is_one_line_and_no_success(tmp_path: Path) -> None:
    done = audit(tmp_path, "Traceback", code=1)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("audit: nothing was audited: the service pypi gave no answer (what went")


def test_no_program_is_one_line(tmp_path: Path) -> None:
    program = tmp_path / "env" / "bin" / "pip-audit"
    program.mkdir(parents=True)
    words = ["--venv", str(tmp_path / "env")]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["audit: nothing was audited: pip-audit: PermissionError"]


def test_no_environment_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "venv.py").write_text("raise ModuleNotFoundError('No module named venv')")
    (tmp_path / "file").touch()
    for place, more, told in (
        (tmp_path / "file" / "env", {}, "cannot be made an environment"),
        (tmp_path / "env", {"PYTHONPATH": str(tmp_path)}, "No module named venv)"),
    ):
        done = subprocess.run(
            [sys.executable, str(SCRIPT), "--venv", str(place)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | more,
        )
        assert (done.returncode, done.stdout) == (2, "")
        [line] = done.stderr.splitlines()
        assert line.startswith("audit: nothing was audited: ")
        assert told in line
