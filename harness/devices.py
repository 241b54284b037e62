"""How many devices there are, without importing torch."""

import os
import shutil
import subprocess


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
