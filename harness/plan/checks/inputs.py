"""The last check before work starts: what the nodes to do read from the network can be had."""

from harness.config import HarnessConfig
from harness.evaluation.judge.settings import MODEL, local_model
from harness.evaluation.prefetch.benchmarks import (
    lm_eval_tasks,
    nltk_resources,
    readers,
    require_benchmarks,
    require_nltk,
)
from harness.models.hub import is_hub, require_model
from harness.store.work import EvalWork, JudgeWork, Work


def require_inputs(config: HarnessConfig, nodes: list[Work]) -> None:
    """Raise ConfigError, in one line, for a hub model, a judging one included, a benchmark of
    lm-eval or a resource of nltk that is neither cached nor within reach. What is done already
    needs none of them."""
    if nodes and is_hub(config.model):
        require_model(config.model)
    judge = local_model(config.judge)
    if judge is not None and is_hub(judge) and any(isinstance(n, JudgeWork) for n in nodes):
        require_model(judge, MODEL)
    scored = [node.benchmark for node in nodes if isinstance(node, EvalWork)]
    sources = {benchmark.source.name for benchmark in scored if benchmark.source}
    for reader, place in readers(config).items():
        if reader in sources:
            require_nltk(nltk_resources([reader]), place)
    wanted = {benchmark.lm_eval_task for benchmark in scored}
    where = lm_eval_tasks(config)
    require_benchmarks({task: place for task, place in where.items() if task in wanted})
