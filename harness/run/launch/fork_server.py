"""A process that has imported what ranks need, and forks one whenever it is told to.

`python -m harness.run.launch.fork_server <descriptor>`, over whose socket `forked.py` asks. No
thread of Python's runs here before a fork: its locks would stay locked in the new process for ever.
Ranks on GPUs are not made this way, since CUDA's driver does not outlive a fork.
"""

import gc
import os
import socket
import sys
import traceback
from contextlib import suppress
from importlib import import_module, invalidate_caches
from typing import Any, NoReturn

from harness.run.launch.job import PARENT
from harness.run.launch.network import Line
from harness.run.rank import main as run_rank

POLL_SECONDS = 0.05
# What nearly every rank imports, and what takes long.
PRELOADED = (
    "deepspeed",
    "harness.train.stage",
    "harness.evaluation.evaluator",
    "harness.evaluation.loading",
    "transformers.models.llama.modeling_llama",
    "lm_eval.evaluator",
    "peft",
)


def serve(line: Line, parent: int) -> NoReturn:
    """Fork what is asked for and tell of every end, until the other end or the parent is gone."""
    children, server = dict[int, int](), os.getpid()
    while line.open and os.getppid() == parent:
        for asked in line.new(POLL_SECONDS if children else 1.0):
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


def main() -> NoReturn:
    """Import, then serve."""
    os.environ["DS_ACCELERATOR"] = "cpu"  # DeepSpeed looks for it when it is imported
    for module in PRELOADED:
        with suppress(Exception):  # the rank that misses it says so in its own log
            import_module(module)
    gc.collect()
    gc.freeze()  # so that the collector of a rank leaves these pages shared
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    line = Line(connection.fileno(), connection.fileno(), connection)
    serve(line, int(os.environ[PARENT]))


if __name__ == "__main__":
    main()
