"""One rank's process: device, threads, process group, deterministic settings."""

import atexit
import os
import socket
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn
from urllib.parse import urlsplit

from harness.errors import StageFailed
from harness.models.determinism import fix_kernels, kernel_variables

REACH_SECONDS = 50.0


@dataclass(frozen=True)
class Rank:
    """Who this process is among its peers."""

    index: int
    world: int
    device: str

    @property
    def first(self) -> bool:
        return self.index == 0

    def agree(self, mine: bool) -> bool:
        """Is it true on all ranks? They ask together."""
        import torch
        import torch.distributed as dist

        all_true = torch.tensor(int(mine), device=self.device)
        dist.all_reduce(all_true, op=dist.ReduceOp.MIN)
        return bool(all_true)

    def told(self, value: Any) -> Any:
        """What the first rank has, on all of them; they ask together."""
        import torch.distributed as dist

        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def largest(self, mine: int) -> int:
        """The largest number of any rank, on all of them; they ask together."""
        import torch
        import torch.distributed as dist

        box = torch.tensor(mine, device=self.device)
        dist.all_reduce(box, op=dist.ReduceOp.MAX)
        return int(box)

    def union(self, mine: dict[Any, Any]) -> dict[Any, Any]:
        """What any rank has, the first one's value where several have a key; they ask together."""
        import torch.distributed as dist

        found: list[dict[Any, Any]] = [{} for _ in range(self.world)]
        dist.all_gather_object(found, mine)
        return {key: value for part in reversed(found) for key, value in part.items()}

    def barrier(self) -> None:
        """Wait for all ranks."""
        import torch.distributed as dist

        dist.barrier()


def start(
    index: int,
    world: int,
    device: str,
    rendezvous: str,
    minutes: float,
    threads: int,
    deterministic: bool = True,
    tf32: bool = False,
) -> Rank:
    """Join the process group and fix what would make two runs differ.

    `device` is 'cpu' or 'cuda'; `rendezvous` is a path that no earlier group has used, or
    tcp://<address>:<port> where rank 0 listens (at the socket that HARNESS_LISTENER numbers);
    `minutes` bounds every collective; `deterministic` and `tf32` as in `EngineConfig`. Call once a
    process, before any other use of torch. Raises StageFailed where rank 0 is out of reach or this
    rank has no GPU.
    """
    if device == "cpu":
        os.environ["DS_ACCELERATOR"] = "cpu"
    for name, value in kernel_variables().items() if deterministic else ():
        os.environ.setdefault(name, value)
    import torch
    import torch.distributed as dist

    torch.set_num_threads(threads)
    fix_kernels(device, deterministic, tf32)
    backend = "gloo"
    if device == "cuda":
        local = device_index(int(os.environ.get("LOCAL_RANK", index)), torch.cuda.device_count())
        os.environ["LOCAL_RANK"] = str(local)  # DeepSpeed takes it for the device
        torch.cuda.set_device(local)
        device, backend = f"cuda:{local}", "nccl"
    timeout = timedelta(minutes=minutes)
    meeting = _meeting(rendezvous, index, world, timeout)
    dist.init_process_group(backend, rank=index, world_size=world, timeout=timeout, **meeting)
    _start_deepspeed(device)
    return Rank(index, world, device)


def device_index(local_rank: int, visible: int) -> int:
    """Which of the GPUs that this process sees is its own: with one (a launcher gave it), that one.
    Raises StageFailed where there are too few."""
    if visible == 1 or local_rank < visible:
        return 0 if visible == 1 else local_rank
    raise StageFailed(
        f"LOCAL_RANK={local_rank}, but this process sees {visible} GPUs on {socket.gethostname()}; "
        "start one process per GPU"
    )


def _meeting(rendezvous: str, index: int, world: int, timeout: timedelta) -> dict[str, Any]:
    """How `init_process_group` finds the other ranks."""
    parts = urlsplit(rendezvous)
    if parts.scheme != "tcp":
        return {"init_method": f"file://{rendezvous}"}
    from torch.distributed import TCPStore

    address, port = str(parts.hostname), int(parts.port or 0)
    listener = {"master_listen_fd": int(os.environ["HARNESS_LISTENER"])} if index == 0 else {}
    if index:
        _require_reachable(address, port)
    store = TCPStore(address, port, world, index == 0, timeout, wait_for_workers=False, **listener)
    return {"store": store}


def _require_reachable(address: str, port: int) -> None:
    """torch would try for as long as a collective may take."""
    try:
        socket.create_connection((address, port), REACH_SECONDS).close()
    except OSError as error:
        raise StageFailed(
            f"{socket.gethostname()} cannot reach rank 0 at {address}, port {port} "
            f"({error.strerror or error}); the machines of a job must reach each other at any port"
        ) from None


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
