"""Continual-learning strategies, one file each, and what a strategy of one's own is written with.

    from harness.methods import Needs, Stage, Strategy

`Strategy` lists the hooks, each of which gets the `Stage`; `View` is what a strategy sees of
weights and gradients, `Pass` what it sees of a forward pass. Importing this loads no torch.
"""

from harness.config.ranges import require_finite, require_range
from harness.data.encoding import Example, RowId
from harness.data.task_data import TaskData
from harness.errors import ConfigError, DataError, StageFailed
from harness.methods.base import Strategy
from harness.methods.forward import Pass
from harness.methods.memory import Fill, Memory
from harness.methods.needs import Adapter, Needs, Outputs
from harness.methods.stage import History, Phase, Stage
from harness.methods.view import Loss, SavedState, Shard, Sharded, State, View

__all__ = [
    "Adapter",
    "ConfigError",
    "DataError",
    "Example",
    "Fill",
    "History",
    "Loss",
    "Memory",
    "Needs",
    "Outputs",
    "Pass",
    "Phase",
    "RowId",
    "SavedState",
    "Shard",
    "Sharded",
    "Stage",
    "StageFailed",
    "State",
    "Strategy",
    "TaskData",
    "View",
    "require_finite",
    "require_range",
]
