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


def ranks(engine: EngineConfig, devices: int) -> tuple[int, int]:
    """(ranks of a job, how many of them on this machine). Raises ConfigError where a hostfile or
    what a launcher has told cannot be read."""
    if peers := launched():
        return peers.world, peers.local_world
    if engine.hostfile is not None:
        hosts = read_hosts(engine.hostfile)
        return sum(host.slots for host in hosts), hosts[0].slots
    alone = engine.ranks or max(1, devices)
    return alone, alone


def machine(engine: EngineConfig) -> tuple[str, int, int]:
    """(device, ranks, CPU threads per rank) that an engine config means on this machine, or on the
    machines of its hostfile or launcher."""
    devices = 0 if engine.device is Device.cpu else gpu_count()
    device = "cuda" if devices else "cpu"
    world, here = ranks(engine, devices)
    return device, world, engine.threads or _threads(here)


def _threads(here: int) -> int:
    """Threads per rank where the configuration leaves them open: OMP_NUM_THREADS, as everywhere
    where it is set, else the cores that srun gives each, else an equal share of the cores."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    given = int(asked) if asked.isdigit() else 0
    return given or cores_per_rank() or max(1, cpu_cores() // here)


def rank_mistakes(engine: EngineConfig, devices: int) -> Iterator[str]:
    """What is wrong with the number of ranks: on this machine, and where others say it too. Raises
    ConfigError."""
    on_cpu = engine.device is Device.cpu or devices == 0
    peers = launched()
    if peers and engine.hostfile is not None:
        yield (
            f"engine.hostfile={engine.hostfile}: this process was started by a launcher (torchrun, "
            "srun), which has chosen the hosts; leave one of the two out"
        )
        return
    world, here = ranks(engine, devices)
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
    if limit is not None and here > limit and (engine.ranks or engine.hostfile):
        what = "CPU cores" if on_cpu else "GPUs"
        key = f"engine.ranks={here}" if engine.ranks else f"{engine.hostfile} has {here} slots here"
        yield f"{key}, but there are {limit} {what}; use {limit} at most"
