"""Helper process: count the tokens of training files. JSON on stdin, JSON on stdout."""

import json
import sys
from pathlib import Path

from harness.config import from_plain


def main() -> None:
    """Read {"files": {path: task}, "config": ...}; print {path: {"tokens", "rows"}}."""
    from harness.data.task_data import load_task_data
    from harness.modeling import load_prompts

    request = json.load(sys.stdin)
    config = from_plain(request["config"])
    prompts = load_prompts(config.model, config.model.path)
    counts = {}
    for path, name in request["files"].items():
        data = load_task_data(name, Path(path), config.task[name], prompts)
        counts[path] = {"tokens": data.tokens, "rows": len(data.examples)}
    json.dump(counts, sys.stdout)


if __name__ == "__main__":
    main()
