"""What a plan counts is what training sees, and counting needs no torch."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from support.command import environment

from harness.config.compose.compose import load
from harness.config.plain import plain
from harness.data.demonstrations import put_before
from harness.data.rows import read_rows
from harness.data.task_data import load_task_data
from harness.models.loading import load_prompts
from harness.store.records import Demonstrations

HELPER = """
import json, sys
from harness.plan.count_tokens import count_tokens
counts = count_tokens(json.load(sys.stdin))
print(json.dumps([counts, sys.modules["torch"] is None]))
"""


def test_counts_are_those_of_training(tiny_run: list[str], tiny_data: Path) -> None:
    config = load(tiny_run)
    config = replace(
        config, task={**config.task, "copy": replace(config.task["copy"], max_prompt_tokens=20)}
    )
    path = tiny_data / "copy" / "train.json"
    shown = Demonstrations(rows=tuple(read_rows(tiny_data / "copy" / "eval.json")[:2]))
    requests = [
        {"data": str(path), "task": "copy", "shown": None},
        {"data": str(path), "task": "copy", "shown": plain(shown)},
    ]
    done = subprocess.run(
        [sys.executable, "-c", HELPER],
        input=json.dumps({"config": plain(config), "requests": requests}),
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )
    (bare, with_shown), without_torch = json.loads(done.stdout.splitlines()[-1])
    prompts = load_prompts(config.model, config.model.path)
    data = load_task_data("copy", path, config.task["copy"], prompts)
    longest = max(
        len(prompts.prompt_ids(put_before(row["prompt"], shown, prompts)))
        for row in read_rows(path)
    )
    lengths = [len(prompts.prompt_ids(row["prompt"])) for row in read_rows(path)]
    cut = {"cut_prompts": sum(length > 20 for length in lengths), "cut_answers": 0}
    assert 0 < cut["cut_prompts"] < 33
    assert bare == {"rows": 33, "tokens": data.tokens, "longest_prompt": 0, **cut}
    assert with_shown == {"rows": 33, "tokens": data.tokens, "longest_prompt": longest, **cut}
    assert longest > 20
    assert without_torch
