"""The machine that a run is planned for: the one that we are on, or one that is declared."""

from dataclasses import dataclass

from harness.config import Device, EngineConfig
from harness.config.devices import gpu_memory, host_memory
from harness.config.machine import gpu_count, ranks

GB = 1e9


@dataclass(frozen=True)
class Machine:
    """ranks that train, how many of them share one machine, and whether they run on GPUs; beside:
    ranks of the machine that score meanwhile. limit: bytes of memory that each has, host: bytes of
    main memory that those of a machine share; None where nothing says it, as for GPUs that are
    elsewhere."""

    ranks: int
    here: int
    cuda: bool
    limit: float | None
    host: float | None
    beside: int = 0


def declared(engine: EngineConfig) -> bool:
    """Are GPUs asked for that are not here? `plan` takes them as they are told, a run does not."""
    return engine.device is Device.cuda and gpu_count() == 0


def machine_of(engine: EngineConfig, beside: int = 0) -> Machine:
    """The machine that an engine's keys mean here, with so many ranks of `eval.beside`."""
    elsewhere, gpus = declared(engine), gpu_count()
    cuda = elsewhere or (engine.device is not Device.cpu and gpus > 0)
    world, here = ranks(engine, gpus if cuda else 0, beside)
    host = None if elsewhere else host_memory()
    if engine.device_memory is not None:
        limit: float | None = engine.device_memory * GB
    elif cuda:
        limit = None if elsewhere else gpu_memory()
    else:
        limit = host_memory() / (here + beside)
    return Machine(world, here, cuda, limit, host, beside)
