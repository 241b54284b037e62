"""`harness plan`: what a configuration would do, without doing it."""

from harness.config import HarnessConfig
from harness.estimates import estimate, weight_count
from harness.nodes import Node
from harness.run import pending_nodes, prepare
from harness.token_counts import training_counts, training_tokens

SMALLEST_ESTIMATED = 5e7  # below, start-up and scheduling decide, which the estimate leaves out


def print_plan(config: HarnessConfig, variant: str = "") -> None:
    """Print nodes, which are done, tokens to train and generations to make."""
    store, plan = prepare(config, variant)
    pending = {node.key for node in pending_nodes(config, store, plan)}
    tokens = training_counts(config, store, plan)
    run = plan.run
    print(f"run {run['run']}: {run['method']} on {run['sequence']}, seed {run['seed']}")
    print(f"{'stage':>5}  {'node':<24} {'key':<20} {'state':<8} {'work':>20}")
    left_tokens = left_generations = left_stages = 0
    most_generated = 0
    for node in plan.nodes:
        state = "to do" if node.key in pending else "done"
        amount, unit = _amount(node, tokens, config)
        if node.key in pending:
            left_tokens += amount if node.kind == "train" else 0
            left_stages += node.kind == "train"
            if unit == "generations":
                left_generations += amount
                most_generated += amount * node.spec["what"]["max_answer_tokens"]
        work = f"{amount:,} {unit}" if amount else "lm-eval task"
        print(f"{node.stage:>5}  {node.label:<24} {node.key:<20} {state:<8} {work:>20}")
    done = len(plan.nodes) - len(pending)
    print(
        f"{len(plan.nodes)} nodes, {done} done; to do: {left_tokens:,} tokens to train, "
        f"{left_generations:,} generations to make"
    )
    _print_estimate(config, left_tokens, most_generated, left_stages)


def _print_estimate(config: HarnessConfig, tokens: int, generated: int, stages: int) -> None:
    weights = weight_count(config.model)
    if weights is None or weights < SMALLEST_ESTIMATED:
        return
    adapter = config.method.adapter is not None
    found = estimate(
        weights, config.engine, config.eval.batch_size, tokens, generated, 0 if adapter else stages
    )
    print(
        f"estimate for {weights / 1e9:.3g} billion weights on devices of {config.engine.tflops:g} "
        f"TFLOP/s and {config.engine.bandwidth:g} TB/s: {found.training_hours:.3g} device hours to "
        f"train, at most {found.generation_hours:.3g} to generate, "
        f"{found.disk_bytes / 1e9:.3g} GB of checkpoints"
    )


def _amount(
    node: Node, tokens: dict[str, dict[str, int]], config: HarnessConfig
) -> tuple[int, str]:
    if node.kind == "train":
        return training_tokens(node, tokens, config), "tokens"
    if node.kind == "edit":
        return len(node.spec["tuned"]), "models"
    if node.kind == "judge":
        return node.spec["items"], "judgements"
    return node.spec["items"], "likelihoods" if node.spec["by_likelihood"] else "generations"
