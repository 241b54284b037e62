"""`harness plan`: what a configuration would do, without doing it."""

import json
import subprocess
import sys
from pathlib import Path

from harness.config import HarnessConfig
from harness.data.order import steps_per_epoch
from harness.errors import StageFailed
from harness.files import write_json
from harness.keys import digest, plain
from harness.plan import Node, Plan
from harness.run import pending_nodes, prepare
from harness.store import Store


def print_plan(config: HarnessConfig, variant: str = "") -> None:
    """Print nodes, which are done, tokens to train and generations to make."""
    store, plan = prepare(config, variant)
    pending = {node.key for node in pending_nodes(config, store, plan)}
    tokens = count_tokens(config, store, plan)
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
        counted = tokens[node.spec["data"]]
        total = counted["tokens"] * node.spec["epochs"]
        steps = node.spec["epochs"] * steps_per_epoch(counted["rows"], config.train.batch_size)
        return round(total * min(1.0, (config.train.max_steps or steps) / steps)), "tokens"
    return node.spec["items"], "generations"


def count_tokens(config: HarnessConfig, store: Store, plan: Plan) -> dict[str, dict[str, int]]:
    """Data file -> tokens of one epoch, measured once in a helper process and remembered.

    The helper imports transformers, which this process never does.
    """
    store.prepare()
    cache = store.root / "cache" / "tokens.json"
    known = json.loads(cache.read_text()) if cache.is_file() else {}
    wanted: dict[str, str] = {}
    for node in plan.nodes:
        if node.kind == "train":
            task = config.task[node.spec["task"]]
            limits = [task.max_prompt_tokens, task.max_answer_tokens]
            data = Path(node.spec["data"])
            wanted[node.spec["data"]] = digest(
                [plan.run["model_key"], store.hashes.file(data), limits]
            )
    missing = {path: name for path, name in wanted.items() if name not in known}
    if missing:
        tasks = {
            node.spec["data"]: node.spec["task"] for node in plan.nodes if node.kind == "train"
        }
        counted = _count({path: tasks[path] for path in missing}, config)
        known |= {missing[path]: count for path, count in counted.items()}
        cache.parent.mkdir(parents=True, exist_ok=True)
        write_json(cache, known)
    return {path: known[name] for path, name in wanted.items()}


def _count(files: dict[str, str], config: HarnessConfig) -> dict[str, dict[str, int]]:
    request = json.dumps({"files": files, "config": plain(config)})
    done = subprocess.run(
        [sys.executable, "-m", "harness.data.count"],
        input=request,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StageFailed(f"counting tokens failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)
