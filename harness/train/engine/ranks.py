"""One rank's process: device, threads, process group, deterministic settings."""

import atexit
import os
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn


@dataclass(frozen=True)
class Rank:
    """Who this process is among its peers."""

    index: int
    world: int
    device: str

    @property
    def first(self) -> bool:
        return self.index == 0

    def barrier(self) -> None:
        """Wait for all ranks."""
        import torch.distributed as dist

        dist.barrier()


def start(
    index: int, world: int, device: str, rendezvous: str, minutes: float, threads: int
) -> Rank:
    """Join the process group over a file and fix what would make two runs differ.

    `device` is 'cpu' or 'cuda'; `rendezvous` is a path that no earlier group has used; `minutes`
    bounds every collective. Call once a process, before any other use of torch.
    """
    if device == "cpu":
        os.environ["DS_ACCELERATOR"] = "cpu"
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch
    import torch.distributed as dist

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    backend = "gloo"
    if device == "cuda":
        local = int(os.environ.get("LOCAL_RANK", index))
        torch.cuda.set_device(local)
        device, backend = f"cuda:{local}", "nccl"
    dist.init_process_group(
        backend,
        init_method=f"file://{rendezvous}",
        rank=index,
        world_size=world,
        timeout=timedelta(minutes=minutes),
    )
    _start_deepspeed(device)
    return Rank(index, world, device)


def _start_deepspeed(device: str) -> None:
    import deepspeed

    if device == "cpu":
        # Its C++ build takes minutes on first use; gloo gives the same sums without it.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(auto_mpi_discovery=False, verbose=False)


def leave(rank: Rank) -> NoReturn:
    """Leave the process group together and end this process with exit code 0.

    The interpreter is not torn down: a thread of gloo that lets go of a tensor meanwhile would
    abort the process, after all its work (https://github.com/pytorch/pytorch/issues/190489).
    """
    import torch.distributed as dist

    rank.barrier()
    dist.destroy_process_group()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
