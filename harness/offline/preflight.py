"""The last check before work starts: what the nodes to do read from the network can be had."""

from harness.config import HarnessConfig
from harness.nodes import Node
from harness.offline.benchmarks import lm_eval_tasks, require_benchmarks
from harness.offline.models import is_hub, require_model


def require_inputs(config: HarnessConfig, nodes: list[Node]) -> None:
    """Raise ConfigError, in one line, for a hub model or a benchmark of lm-eval that is neither
    cached nor within reach. What is done already needs neither."""
    if nodes and is_hub(config.model):
        require_model(config.model)
    wanted = {node.spec["what"].get("lm_eval_task") for node in nodes if node.kind == "eval"}
    where = lm_eval_tasks(config)
    require_benchmarks({task: place for task, place in where.items() if task in wanted})
