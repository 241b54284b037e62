"""What a launcher (torchrun, srun) has told this process: which of how many it is, and where the
first one listens."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import ConfigError

DEFAULT_PORT = 29500
LAST_PORT = 65535


@dataclass(frozen=True)
class Launched:
    """One of the processes of a launcher. rank: among all `world` of them, local_rank: among the
    `local_world` of this machine. address, port: where the process of rank 0 listens."""

    rank: int
    world: int
    local_rank: int
    local_world: int
    address: str
    port: int


def launched(told: Mapping[str, str] = os.environ) -> Launched | None:
    """What the environment says; None where this process is not one of several. Raises
    ConfigError where a variable is no number or is missing."""
    if told.get("MASTER_ADDR") and _number(told, "WORLD_SIZE", 1) > 1:
        found = _by_torchrun(told)
    elif _number(told, "SLURM_STEP_NUM_TASKS", 1) > 1:
        found = _by_srun(told)
    else:
        return None
    if not 0 <= found.rank < found.world:
        raise ConfigError(f"RANK={found.rank}: with WORLD_SIZE={found.world} it is below it")
    if not 0 < found.port <= LAST_PORT:
        raise ConfigError(f"MASTER_PORT={found.port}: ports are 1 to {LAST_PORT}")
    return found


def cores_per_rank(told: Mapping[str, str] = os.environ) -> int | None:
    """Cores that srun gives every process; null where it says nothing."""
    asked = "SLURM_STEP_NUM_TASKS" in told and "SLURM_CPUS_PER_TASK" in told
    return _number(told, "SLURM_CPUS_PER_TASK") if asked else None


def _by_torchrun(told: Mapping[str, str]) -> Launched:
    port = _number(told, "MASTER_PORT", DEFAULT_PORT)
    return Launched(
        rank=_number(told, "RANK"),
        world=_number(told, "WORLD_SIZE"),
        local_rank=_number(told, "LOCAL_RANK"),
        local_world=_number(told, "LOCAL_WORLD_SIZE", 1),
        address=told["MASTER_ADDR"],
        # At the port itself torchrun listens.
        port=port + 1 if "TORCHELASTIC_RUN_ID" in told else port,
    )


def _by_srun(told: Mapping[str, str]) -> Launched:
    """Ranks as srun counts them. Without MASTER_ADDR the first host of the step is asked, at a
    port that follows from the job's number."""
    listed = told.get("SLURM_STEP_NODELIST", "")
    per_host = re.match(r"\d+", told.get("SLURM_STEP_TASKS_PER_NODE", ""))
    own_port = 12000 + (_number(told, "SLURM_JOB_ID", 0)) % 20000
    return Launched(
        rank=_number(told, "SLURM_PROCID"),
        world=_number(told, "SLURM_STEP_NUM_TASKS"),
        local_rank=_number(told, "SLURM_LOCALID"),
        local_world=int(per_host[0]) if per_host else 1,
        address=told.get("MASTER_ADDR") or first_host(listed),
        port=_number(told, "MASTER_PORT", own_port),
    )


def first_host(listed: str) -> str:
    """The first host of a list as SLURM writes it: 'gpu[07-09,12],big' -> 'gpu07'."""
    found = re.match(r"([^\[,]+)(?:\[([^\],-]+)[^\]]*\]([^\[,]*))?", listed)
    if found is None:
        raise ConfigError("srun tells no SLURM_STEP_NODELIST; set MASTER_ADDR to the first host")
    return f"{found[1]}{found[2] or ''}{found[3] or ''}"


def _number(told: Mapping[str, str], name: str, default: int | None = None) -> int:
    value = told.get(name, "" if default is None else str(default))
    try:
        return int(value)
    except ValueError:
        said = f"{name}={value}" if value else f"{name} is not set"
        raise ConfigError(
            f"{said}: a launcher (torchrun, srun) sets RANK, WORLD_SIZE and LOCAL_RANK to numbers; "
            "unset MASTER_ADDR and WORLD_SIZE for a run on this machine alone"
        ) from None
