"""What a stage of training costs: seconds, device time and memory."""

import resource
import time


class CostMeter:
    """Time and memory of one stage on one rank; `read` is called by all ranks together."""

    def __init__(self, device: str) -> None:
        self.cuda = device.startswith("cuda")
        self.started = time.monotonic()
        self.hours, self.peak = 0.0, 0  # of launches before
        if self.cuda:
            import torch

            torch.cuda.reset_peak_memory_stats()

    def add(self, hours: float, peak: int) -> None:
        """What an earlier launch of the stage has cost, as it read it."""
        self.hours, self.peak = self.hours + hours, max(self.peak, peak)

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
        hours = self.hours + world * (time.monotonic() - self.started) / 3600
        return hours, max(self.peak, int(largest))
