"""What a stage of training costs: seconds, device time and memory."""

import resource
import time


class CostMeter:
    """Time and memory of one stage on one rank; `read` is called by all ranks together."""

    def __init__(self, device: str) -> None:
        self.cuda = device.startswith("cuda")
        self.started = time.monotonic()
        if self.cuda:
            import torch

            torch.cuda.reset_peak_memory_stats()

    def read(self, world: int) -> tuple[float, int]:
        """Device hours of all ranks, and the largest peak memory of a rank in bytes.

        On a CPU that is the peak of the process, which earlier stages in it may have set.
        """
        import torch
        import torch.distributed as dist

        if self.cuda:
            peak = torch.cuda.max_memory_allocated()
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        largest = torch.tensor(float(peak), device="cuda" if self.cuda else "cpu")
        dist.all_reduce(largest, op=dist.ReduceOp.MAX)
        return world * (time.monotonic() - self.started) / 3600, int(largest)
