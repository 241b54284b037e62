"""`harness plan`: what a configuration would do, without doing it."""

from harness.config import HarnessConfig
from harness.plan import Node
from harness.run import pending_nodes, prepare
from harness.token_counts import training_counts, training_tokens


def print_plan(config: HarnessConfig, variant: str = "") -> None:
    """Print nodes, which are done, tokens to train and generations to make."""
    store, plan = prepare(config, variant)
    pending = {node.key for node in pending_nodes(config, store, plan)}
    tokens = training_counts(config, store, plan)
    run = plan.run
    print(f"run {run['run']}: {run['method']} on {run['sequence']}, seed {run['seed']}")
    print(f"{'stage':>5}  {'node':<24} {'key':<20} {'state':<8} {'work':>20}")
    left_tokens = left_generations = 0
    for node in plan.nodes:
        state = "to do" if node.key in pending else "done"
        amount, unit = _amount(node, tokens, config)
        if node.key in pending:
            left_tokens += amount if node.kind == "train" else 0
            left_generations += amount if node.kind == "eval" else 0
        work = f"{amount:,} {unit}" if amount else "lm-eval task"
        print(f"{node.stage:>5}  {node.label:<24} {node.key:<20} {state:<8} {work:>20}")
    done = len(plan.nodes) - len(pending)
    print(
        f"{len(plan.nodes)} nodes, {done} done; to do: {left_tokens:,} tokens to train, "
        f"{left_generations:,} generations to make"
    )


def _amount(
    node: Node, tokens: dict[str, dict[str, int]], config: HarnessConfig
) -> tuple[int, str]:
    if node.kind == "train":
        return training_tokens(node, tokens, config), "tokens"
    return node.spec["items"], "generations"
