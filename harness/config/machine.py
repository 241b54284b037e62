"""How many devices and ranks there are, without importing torch."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from harness.config import Device, EngineConfig
from harness.config.hostfile import read_hosts
from harness.config.launched import cores_per_rank, launched

BESIDE_IS_HERE = (
    "the ranks that score beside those that train are started on this machine, and those of "
    "engine.hostfile or of a launcher (torchrun, srun) are elsewhere or given; leave it out"
)


@dataclass(frozen=True)
class Gpu:
    """token: as CUDA_VISIBLE_DEVICES names it. name: which no other GPU of this machine has."""

    token: str
    name: str


def cpu_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def gpus() -> list[Gpu]:
    """GPUs that a worker would see: CUDA_VISIBLE_DEVICES where set, else what nvidia-smi lists."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    tokens = None if visible is None else [item.strip() for item in visible.split(",")]
    if tokens is not None and ("-1" in tokens or not any(tokens)):
        return []
    names = _names_by_index()
    listed = list(names) if tokens is None else [token for token in tokens if token]
    return [Gpu(token, names.get(token, token)) for token in listed]


def gpu_count() -> int:
    """How many GPUs a worker would see."""
    return len(gpus())


def _names_by_index() -> dict[str, str]:
    """Index -> UUID of the GPUs that nvidia-smi lists."""
    if shutil.which("nvidia-smi") is None:
        return {}
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    found = re.findall(r"^GPU (\d+):(?:.*\(UUID: ([^)]+)\))?", listing.stdout, re.MULTILINE)
    return {index: uuid or index for index, uuid in found}


def ranks(engine: EngineConfig, devices: int, beside: int = 0) -> tuple[int, int]:
    """(ranks of a job that train, how many of them on this machine). beside: as `eval.beside`, for
    whom some devices are left. Raises ConfigError where a hostfile or what a launcher has told
    cannot be read."""
    if peers := launched():
        return peers.world, peers.local_world
    if engine.hostfile is not None:
        hosts = read_hosts(engine.hostfile)
        return sum(host.slots for host in hosts), hosts[0].slots
    alone = engine.ranks or max(1, devices - beside)
    return alone, alone


def machine(engine: EngineConfig, beside: int = 0) -> tuple[str, int, int]:
    """(device, ranks that train, CPU threads per rank) that an engine config means on this machine,
    or on the machines of its hostfile or launcher. beside: as `eval.beside`, ranks that share the
    machine with them."""
    devices = 0 if engine.device is Device.cpu else gpu_count()
    device = "cuda" if devices else "cpu"
    world, here = ranks(engine, devices, beside)
    return device, world, engine.threads or _threads(here + beside)


def _threads(here: int) -> int:
    """Threads per rank where the configuration leaves them open: OMP_NUM_THREADS, as everywhere
    where it is set, else the cores that srun gives each, else an equal share of the cores."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    given = int(asked) if asked.isdigit() else 0
    return given or cores_per_rank() or max(1, cpu_cores() // here)


def rank_mistakes(engine: EngineConfig, devices: int, beside: int = 0) -> Iterator[str]:
    """What is wrong with the number of ranks, with those of `eval.beside`: on this machine, and
    where others say it too. Raises ConfigError."""
    on_cpu = engine.device is Device.cpu or devices == 0
    peers = launched()
    if peers and engine.hostfile is not None:
        yield (
            f"engine.hostfile={engine.hostfile}: this process was started by a launcher (torchrun, "
            "srun), which has chosen the hosts; leave one of the two out"
        )
        return
    if beside > 0 and (peers or engine.hostfile is not None):
        yield f"eval.beside={beside}: {BESIDE_IS_HERE}"
        return
    world, here = ranks(engine, 0 if on_cpu else devices, beside)
    if engine.ranks not in (None, world):
        source = "the launcher started" if peers else f"{engine.hostfile} has"
        yield f"engine.ranks={engine.ranks}, but {source} {world}; leave engine.ranks out"
        return
    if engine.oversubscribe:
        if not on_cpu:
            yield "engine.oversubscribe=true is for CPUs, a GPU serves one rank; leave it out"
        return
    # A process of a launcher may be bound to its own cores, and to its own GPU.
    limit = None if peers else cpu_cores() if on_cpu else devices
    what = "CPU cores" if on_cpu else "GPUs"
    if limit is not None and beside > 0 and here + beside > limit:
        yield (
            f"eval.beside={beside}: with engine.ranks={here} that makes {here + beside} ranks, but "
            f"there are {limit} {what}; use fewer of either"
        )
    elif limit is not None and here > limit and (engine.ranks or engine.hostfile):
        key = f"engine.ranks={here}" if engine.ranks else f"{engine.hostfile} has {here} slots here"
        yield f"{key}, but there are {limit} {what}; use {limit} at most"
