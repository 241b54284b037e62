"""Helper process: count tokens, which needs transformers. JSON on stdin, JSON on stdout.

transformers imports torch where it finds it, which takes three times as long as all else here and
is not needed for a tokenizer.
"""

import json
import sys
from pathlib import Path
from typing import Any

from harness.config import from_plain


def main() -> None:
    """Read {"config", "requests": [{"data", "task", "shown"}]}; print a list with, for each
    request, {"rows", "tokens"}: tokens of an epoch under the task's limits, and where something is
    shown {"longest_prompt"}: the uncut length of the longest prompt with its demonstrations."""
    asked = json.load(sys.stdin)
    config = from_plain(asked["config"])
    if not config.model.trust_remote_code:  # a tokenizer that a model ships may import anything
        sys.modules["torch"] = None  # type: ignore[assignment]
    from harness.models.loading import load_prompts

    prompts = load_prompts(config.model, config.model.path)
    json.dump([_count(request, config, prompts) for request in asked["requests"]], sys.stdout)


def _count(request: dict[str, Any], config: Any, prompts: Any) -> dict[str, int]:
    from harness.data.demonstrations import Shown
    from harness.data.rows import read_rows
    from harness.data.task_data import load_task_data

    path = Path(request["data"])
    data = load_task_data(request["task"], path, config.task[request["task"]], prompts)
    counts = {"rows": len(data.examples), "tokens": data.tokens}
    if request["shown"] is None:
        return counts
    shown = Shown(**request["shown"])
    texts = [shown.before(row["prompt"], prompts) for row in read_rows(path)]
    return counts | {"longest_prompt": max(len(prompts.prompt_ids(text)) for text in texts)}


if __name__ == "__main__":
    main()
