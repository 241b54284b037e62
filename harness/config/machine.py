"""How many devices there are, without importing torch."""

import os
import shutil
import subprocess

from harness.config import Device, EngineConfig


def cpu_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def gpu_count() -> int:
    """GPUs that a worker would see: CUDA_VISIBLE_DEVICES where set, else what nvidia-smi lists."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        listed = [item for item in visible.split(",") if item.strip()]
        return 0 if "-1" in listed else len(listed)
    if shutil.which("nvidia-smi") is None:
        return 0
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())


def machine(engine: EngineConfig) -> tuple[str, int, int]:
    """(device, ranks, CPU threads per rank) that an engine config means on this machine."""
    gpus = 0 if engine.device is Device.cpu else gpu_count()
    device = "cuda" if gpus else "cpu"
    ranks = engine.ranks or max(1, gpus)
    return device, ranks, engine.threads or _threads(ranks)


def _threads(ranks: int) -> int:
    """Threads per rank where the configuration leaves them open: OMP_NUM_THREADS, as everywhere
    where it is set, else an equal share of the cores."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdigit() and int(asked) else max(1, cpu_cores() // ranks)
