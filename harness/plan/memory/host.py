"""Main memory that the ranks of a machine take together."""

from harness.plan.memory.machine import Machine
from harness.plan.memory.model import Model
from harness.plan.memory.scoring import ScoringMemory
from harness.plan.memory.training import TrainingMemory

# Of an interpreter with its libraries, per rank; the first is what was measured on a CPU.
PROCESS, CUDA_PROCESS = 0.7e9, 2.0e9
LOADING = 0.3  # bytes a weight that a rank holds for a moment while it loads or writes a model


def host_bytes(
    model: Model, state: TrainingMemory | None, scored: ScoringMemory | None, machine: Machine
) -> float:
    """Bytes in the main memory of a machine at most: on GPUs what loading and offloading take, on a
    CPU all. What is scored counts where ranks do it beside those that train."""
    process = CUDA_PROCESS if machine.cuda else PROCESS
    offloaded = state.host if state else 0.0
    working = 0.0 if machine.cuda or state is None else state.peak
    each = process + LOADING * model.weights
    scoring = 0.0 if machine.cuda or scored is None else scored.peak
    return machine.here * (each + offloaded + working) + machine.beside * (each + scoring)
