"""A fork server that imports while its command still composes and plans.

What ranks import takes longer than all else before their first step, and does not hang on the
configuration. What a command line does not tell (a configuration of the user's own has other
threads, say) costs a server for nothing: a rank is only made by one that has its variables.
"""

import hashlib
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from harness.run.launch.forked import fork_server, rank_variables
from harness.store.layout import FINISHED, cache_place

# A launcher's process, or one of several machines, has its ranks started in another way.
LAUNCHED = ("WORLD_SIZE", "SLURM_JOB_ID")
ROOT = "store.root="
ELSEWHERE = ("engine.hostfile=", "hydra")
KEPT_DAYS = 30


def start_early(argv: Sequence[str]) -> None:
    """Start the server for a command line without a verb, or with `run`, if it is likely that ranks
    will be made here and on CPUs."""
    words = argv[1:] if argv[:1] == ["run"] else argv
    with suppress(OSError):  # whatever it is, the command itself will tell
        if words and _will_run(words) and _on_cpu(words) and not _finished(words).exists():
            fork_server(os.environ | rank_variables(_threads(words)))


def note_end(words: Sequence[str], complete: bool) -> None:
    """Remember whether the same words will find something to do: those of a complete run will
    hardly. A store that has moved, or was cleared by hand, costs an early start and no more."""
    place = _finished(words)
    with suppress(OSError):  # a store that cannot be written, say
        if not complete:
            place.unlink(missing_ok=True)
        elif _will_run(words) and place.parent.parent.is_dir():
            place.parent.mkdir(exist_ok=True)
            place.touch()
            for old in place.parent.iterdir():
                if old.stat().st_mtime < place.stat().st_mtime - KEPT_DAYS * 86400:
                    old.unlink(missing_ok=True)


def _finished(words: Sequence[str]) -> Path:
    root = next((word.partition("=")[2] for word in words if word.startswith(ROOT)), "")
    if not root:
        from harness.config import StoreConfig  # which a server need not wait for

        root = StoreConfig.root
    return cache_place(root, FINISHED) / hashlib.sha256("\n".join(words).encode()).hexdigest()[:20]


def _will_run(words: Sequence[str]) -> bool:
    """Neither another verb nor a flag but that of sweeps; and no ranks of somebody else's."""
    plain = all("=" in word for word in words if word not in ("-m", "--multirun"))
    elsewhere = any(word.startswith(ELSEWHERE) for word in words)
    flags = any(word.startswith("-") and word not in ("-m", "--multirun") for word in words)
    return (
        plain and not elsewhere and not flags and not any(name in os.environ for name in LAUNCHED)
    )


def _on_cpu(words: Sequence[str]) -> bool:
    return "engine.device=cpu" in words or shutil.which("nvidia-smi") is None


def _threads(words: Sequence[str]) -> int:
    """As `harness.config.machine` says, as far as the words tell."""
    told = {name: value for name, _, value in (word.partition("=") for word in words)}
    ranks, threads = told.get("engine.ranks", ""), told.get("engine.threads", "")
    if threads.isdigit():
        return int(threads)
    beside = told.get("eval.beside", "")
    asked = os.environ.get("OMP_NUM_THREADS", "")
    here = int(ranks) if ranks.isdigit() and int(ranks) else 1
    here += int(beside) if beside.isdigit() else 0
    given = int(asked) if asked.isdigit() else 0
    return given or max(1, len(os.sched_getaffinity(0)) // here)
