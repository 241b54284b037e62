"""The last check before work starts: what the nodes to do read from the network can be had."""

from collections.abc import Callable
from functools import partial

from harness.config import HarnessConfig
from harness.errors import mistakes_of
from harness.evaluation.judge.settings import MODEL, local_model
from harness.evaluation.prefetch.benchmarks import (
    lm_eval_tasks,
    nltk_resources,
    readers,
    require_benchmarks,
    require_nltk,
)
from harness.models.hub import cached_description, fetch_description, is_hub, require_model
from harness.plan.checks.model import model_mistakes
from harness.store.work import EvalWork, JudgeWork, Work


def ready_mistakes(config: HarnessConfig, nodes: list[Work]) -> list[str]:
    """`input_mistakes`, and where there are none what the description of a hub model that was not
    cached, which is fetched for it, says against the run."""
    found, model = input_mistakes(config, nodes), config.model
    if found or not nodes or not is_hub(model) or cached_description(model) is not None:
        return found
    return mistakes_of(lambda: fetch_description(model)) or model_mistakes(config)


def input_mistakes(config: HarnessConfig, nodes: list[Work]) -> list[str]:
    """A line for each hub model, a judging one included, benchmark of lm-eval or resource of nltk
    that is neither cached nor within reach. What is done already needs none of them."""
    needed = list[Callable[[], object]]()
    if nodes and is_hub(config.model):
        needed.append(lambda: require_model(config.model))
    judge = local_model(config.judge)
    if judge is not None and is_hub(judge) and any(isinstance(n, JudgeWork) for n in nodes):
        needed.append(lambda: require_model(judge, MODEL))
    scored = [node.benchmark for node in nodes if isinstance(node, EvalWork)]
    sources = {benchmark.source.name for benchmark in scored if benchmark.source}
    for reader, place in readers(config).items():
        if reader in sources:
            needed.append(partial(require_nltk, nltk_resources([reader]), place))
    wanted = {benchmark.lm_eval_task for benchmark in scored}
    where = {task: place for task, place in lm_eval_tasks(config).items() if task in wanted}
    return mistakes_of(*needed, lambda: require_benchmarks(where))
