"""Token counts for the parent, measured once in a helper process and remembered in the store."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness.config import HarnessConfig
from harness.config.plain import plain
from harness.data.encoding import rough_tokens
from harness.data.order import steps_per_epoch
from harness.data.rows import read_rows
from harness.errors import ConfigError, StageFailed
from harness.models.folders import folder_description
from harness.models.hub import cached_description
from harness.store.files import write_json
from harness.store.keys import digest
from harness.store.store import Store
from harness.store.work import Node, Plan

Request = dict[str, Any]
TokenCounts = dict[str, dict[str, int]]  # training file -> {"rows", "tokens"} of one epoch


def estimated_counts(config: HarnessConfig, plan: Plan) -> TokenCounts:
    """Training file -> rows and roughly the tokens of one epoch, without a tokenizer: a token
    every three bytes, cut as the task says."""
    found: TokenCounts = {}
    for part in (p for node in plan.nodes if node.kind == "train" for p in node.spec["parts"]):
        task, rows = config.task[part["task"]], read_rows(Path(part["data"]))
        tokens = sum(
            min(rough_tokens(row["prompt"]), task.max_prompt_tokens)
            + min(rough_tokens(row["answer"]) + 1, task.max_answer_tokens)
            for row in rows
        )
        found[part["data"]] = {"rows": len(rows), "tokens": tokens}
    return found


def training_counts(config: HarnessConfig, store: Store, plan: Plan) -> TokenCounts:
    """Training file -> rows and tokens of one epoch."""
    parts = [part for node in plan.nodes if node.kind == "train" for part in node.spec["parts"]]
    requests = [_request(part["data"], part["task"]) for part in parts]
    counts = _counts(config, store, plan, requests)
    return {request["data"]: count for request, count in zip(requests, counts, strict=True)}


def training_tokens(node: Node, counts: TokenCounts, config: HarnessConfig) -> int:
    """Tokens that a training node sees, all its epochs, no more steps than train.max_steps."""
    parts = node.spec["parts"]
    total = sum(counts[part["data"]]["tokens"] * part["epochs"] for part in parts)
    if config.train.max_steps is None:
        return total
    size = config.train.batch_size
    if len(parts) == 1:
        steps = parts[0]["epochs"] * steps_per_epoch(counts[parts[0]["data"]]["rows"], size)
    else:
        steps = steps_per_epoch(sum(counts[p["data"]]["rows"] * p["epochs"] for p in parts), size)
    return round(total * min(1.0, config.train.max_steps / steps))


def check_demonstrations(config: HarnessConfig, store: Store, plan: Plan) -> None:
    """Raise ConfigError where a prompt with its demonstrations and the answer exceed the model's
    positions; nothing is cut silently."""
    positions = _positions(config)
    nodes = [node for node in plan.nodes if node.spec.get("shown")]
    if positions is None or not nodes:
        return
    requests = [_request(n.spec["data"], n.spec["benchmark"], n.spec["shown"]) for n in nodes]
    for node, count in zip(nodes, _counts(config, store, plan, requests), strict=True):
        needed = count["longest_prompt"] + node.spec["what"]["max_answer_tokens"]
        if needed > positions:
            shown = config.method.prompting.demonstrations
            raise ConfigError(
                f"method.prompting.demonstrations={shown}: {node.spec['benchmark']} needs {needed} "
                f"tokens, the model has {positions} positions; use fewer demonstrations, or "
                f"method.prompting.max_prompt_tokens={_room(node, positions)}"
            )


def _room(node: Node, positions: int) -> int:
    return positions - node.spec["what"]["max_answer_tokens"]


def _request(data: str, task: str, shown: dict[str, Any] | None = None) -> Request:
    return {"data": data, "task": task, "shown": shown}


def _positions(config: HarnessConfig) -> int | None:
    """The model's context, as far as it is known before the model is fetched."""
    details = folder_description(config.model.path, "model.path")
    if details is None:
        details = cached_description(config.model) or {}
    return details.get("max_position_embeddings")


def _counts(
    config: HarnessConfig, store: Store, plan: Plan, requests: list[Request]
) -> list[dict[str, int]]:
    cache = store.root / "cache" / "tokens.json"
    known = json.loads(cache.read_text()) if cache.is_file() else {}
    names = [_name(config, store, plan, request) for request in requests]
    missing = {name: r for name, r in zip(names, requests, strict=True) if name not in known}
    if missing:
        counted = _measure(config, list(missing.values()))
        known |= dict(zip(missing, counted, strict=True))
        write_json(cache, known)
    return [known[name] for name in names]


def _name(config: HarnessConfig, store: Store, plan: Plan, request: Request) -> str:
    task = config.task[request["task"]]
    limits = [task.max_prompt_tokens, task.max_answer_tokens]
    data = store.hashes.file(Path(request["data"]))
    return digest([plan.run["model_key"], data, limits, request["shown"]])


def _measure(config: HarnessConfig, requests: list[Request]) -> list[dict[str, int]]:
    done = subprocess.run(
        [sys.executable, "-m", "harness.plan.count_tokens"],
        input=json.dumps({"config": plain(config), "requests": requests}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        cause = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise StageFailed(f"counting tokens failed: {cause}")
    return json.loads(done.stdout)
