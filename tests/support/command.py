"""The command line, as a user calls it: in this process, or in one of its own.

A new interpreter takes a second or more to import what a command needs, so only tests of what a
process does (its signals, its imports, its siblings) start one.
"""

import importlib
import io
import os
import runpy
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

from harness.__main__ import entry
from harness.config.allowed import ALLOWED
from support.places import REPOSITORY

Done = subprocess.CompletedProcess[str]


def environment(**more: str) -> dict[str, str]:
    """This process' variables for one that imports this working tree."""
    return os.environ | {"PYTHONPATH": str(REPOSITORY)} | more


def in_a_process(*arguments: str, cwd: Path | None = None) -> Done:
    """Run `python -m harness` in an interpreter of its own."""
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd or REPOSITORY,
        env=environment(),
        check=False,
    )


def harness(*arguments: str, cwd: Path | None = None) -> Done:
    """The exit code and what is printed, as of `python -m harness`, from this process."""
    return _captured(entry, ["harness", *arguments], cwd or REPOSITORY)


def script(name: str, *arguments: str) -> Done:
    """The exit code and what is printed, as of `python scripts/<name>`, from this process."""
    path = str(REPOSITORY / "scripts" / name)

    def run() -> None:
        runpy.run_path(path, run_name="__main__")

    return _captured(run, [path, *arguments], REPOSITORY)


@contextmanager
def beside(code: str, *words: str, host: str | None = None) -> Iterator[subprocess.Popen[str]]:
    """A process that runs these lines of Python until the context ends, on another machine if
    `host` names one; its input and output are pipes of text."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *words],
        env=environment(**({"HARNESS_HOST": host} if host else {})),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def refused(*arguments: str, cwd: Path | None = None) -> str:
    """The one line that a wrong command line prints; it exits with 2 and without a traceback."""
    return only_error(harness(*arguments, cwd=cwd))


def only_error(done: Done) -> str:
    """The line with which a command was refused, which is all that it told on standard error."""
    assert done.returncode == 2, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def _captured(command: Callable[[], object], argv: list[str], cwd: Path) -> Done:
    out, err = io.StringIO(), io.StringIO()
    with _own_state(argv, cwd), redirect_stdout(out), redirect_stderr(err):
        code = _exit_code(command)
    return subprocess.CompletedProcess(argv, code, out.getvalue(), err.getvalue())


def _exit_code(command: Callable[[], object]) -> int:
    """As the interpreter would leave, with a traceback for what nobody caught."""
    try:
        command()
    except SystemExit as leaving:
        return int(leaving.code or 0)
    except Exception:
        traceback.print_exc()
        return 1
    return 0


@contextmanager
def _own_state(argv: list[str], cwd: Path) -> Iterator[None]:
    """What an interpreter has to itself: arguments, variables, the folder that it is in and
    imports from, Hydra's globals."""
    before = sys.argv, os.getcwd(), dict(os.environ), list(sys.path), set(sys.modules)
    allowed = ALLOWED.copy()
    ALLOWED.clear()
    sys.argv = argv
    os.environ["PYTHONPATH"] = str(REPOSITORY)
    os.chdir(cwd)
    sys.path.insert(0, str(cwd))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.argv, folder, variables, sys.path[:], modules = before
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(variables)
        for name in set(sys.modules) - modules:
            if cwd != REPOSITORY and _lies_in(cwd, sys.modules[name]):
                del sys.modules[name]
        ALLOWED.clear()
        ALLOWED.update(allowed)
        GlobalHydra.instance().clear()
        HydraConfig.instance().cfg = None


def _lies_in(folder: Path, module: object) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).is_relative_to(folder)
