"""The machine that a run is planned for: the one that we are on, or one that is declared."""

from dataclasses import dataclass

from harness.config import Device, EngineConfig
from harness.config.devices import gpu_memory, host_memory
from harness.config.machine import gpu_count

GB = 1e9


@dataclass(frozen=True)
class Machine:
    """ranks, and whether they run on GPUs. limit: bytes of memory that each has, host: bytes of
    main memory that all share; None where nothing says it, as for GPUs that are elsewhere."""

    ranks: int
    cuda: bool
    limit: float | None
    host: float | None


def declared(engine: EngineConfig) -> bool:
    """Are GPUs asked for that are not here? `plan` takes them as they are told, a run does not."""
    return engine.device is Device.cuda and gpu_count() == 0


def machine_of(engine: EngineConfig) -> Machine:
    """The machine that an engine's keys mean here."""
    elsewhere, gpus = declared(engine), gpu_count()
    cuda = elsewhere or (engine.device is not Device.cpu and gpus > 0)
    ranks = engine.ranks or max(1, gpus if cuda else 1)
    host = None if elsewhere else host_memory()
    if engine.device_memory is not None:
        limit: float | None = engine.device_memory * GB
    elif cuda:
        limit = None if elsewhere else gpu_memory()
    else:
        limit = host_memory() / ranks
    return Machine(ranks, cuda, limit, host)
