"""A process that has imported what ranks need, and forks one whenever it is told to.

`python -m harness.run.launch.fork_server <descriptor>`, over whose socket `forked.py` asks. No
thread of Python's runs here before a fork: its locks would stay locked in the new process for ever.
Ranks on GPUs are not made this way, since CUDA's driver does not outlive a fork.
"""

import ctypes
import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module, invalidate_caches
from typing import Any, NoReturn

from harness.run.launch.forked import PARENT
from harness.run.launch.network import Line
from harness.run.rank import PR_SET_PDEATHSIG
from harness.run.rank import main as run_rank

POLL_SECONDS = 0.05
# What nearly every rank imports, and what takes long: before the first step of training, and after.
FIRST = ("deepspeed", "harness.train.stage", "transformers.models.llama.modeling_llama")
LATER = ("harness.evaluation.evaluator", "harness.generation.hf", "lm_eval.evaluator", "peft")


def serve(line: Line, parent: int, later: Sequence[str] = LATER) -> NoReturn:
    """Fork what is asked for and tell of every end, until the other end or the parent is gone; and
    import the rest while nothing is asked for."""
    children, server, rest = dict[int, int](), os.getpid(), list(later)
    while line.open and os.getppid() == parent:
        asked_now = line.new(0.0 if rest else POLL_SECONDS if children else 1.0)
        if rest and not asked_now and line.open:
            _load(rest.pop(0))
        for asked in asked_now:
            if "start" in asked:
                children[_fork(asked, line, server)] = asked["start"]
            else:
                for pid, number in children.items():
                    if number == asked["to"]:
                        os.kill(pid, asked["signal"])
        while children and (ended := os.waitpid(-1, os.WNOHANG))[0]:
            code = os.waitstatus_to_exitcode(ended[1])
            line.send({"ended": children.pop(ended[0]), "code": code})
    os._exit(0)  # the kernel ends the children with it


def _fork(asked: dict[str, Any], line: Line, server: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        line.close()
        _become(asked, server)
        run_rank(asked["argv"])
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _become(asked: dict[str, Any], server: int) -> None:
    """Be the process that would have been started: its session, output, folder and variables."""
    os.setsid()
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    for copied in {log, nothing} - {0, 1, 2}:
        os.close(copied)
    os.chdir(asked["folder"])
    sys.path[0] = asked["folder"]
    sys.argv[1:] = asked["argv"]
    os.environ.clear()
    os.environ.update(asked["variables"] | {PARENT: str(server)})
    invalidate_caches()  # of folders to import from


def _load(module: str) -> None:
    """Import a module, without looking for garbage among what is there to stay; the collector of a
    rank leaves these pages shared. Nobody looks for the parent meanwhile but the kernel, which goes
    by the thread that started this process: that may end while its process works on."""
    end_with_parent = ctypes.CDLL(None).prctl
    end_with_parent(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(os.environ[PARENT]):  # it was gone before
        os._exit(0)
    gc.disable()
    with suppress(Exception):  # the rank that misses it says so in its own log
        import_module(module)
    gc.freeze()
    gc.enable()
    end_with_parent(PR_SET_PDEATHSIG, 0)


def main() -> NoReturn:
    """Import, then serve."""
    os.environ["DS_ACCELERATOR"] = "cpu"  # DeepSpeed looks for it when it is imported
    for module in FIRST:
        _load(module)
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    line = Line(connection.fileno(), connection.fileno(), connection)
    serve(line, int(os.environ[PARENT]))


if __name__ == "__main__":
    main()
