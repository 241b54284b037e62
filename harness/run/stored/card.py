"""The model card of an exported stage: which run made it, how, and what it scored."""

import json
from typing import Any

import yaml

from harness.config.choices import Schedule
from harness.errors import DataError
from harness.run.stored.runs import StoredRun
from harness.store.contents import Name
from harness.store.store import Store
from harness.store.work import Cell


def model_card(
    store: Store, run: StoredRun, stage: int, name: Name, model: dict[str, Any], adapter: bool
) -> str:
    """Its text. model: that section of the configuration; adapter: does it hold nothing else?"""
    about: dict[str, Any] = dict(run.about or {})
    tags = ["continual-learning", about["method"]]
    head = {
        "base_model": model["path"],
        "library_name": "peft" if adapter else "transformers",
        "pipeline_tag": "text-generation",
        "tags": tags,
    }
    what = "An adapter" if adapter else "A model"
    lines = [
        f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n",
        f"# {model['name']}, {about['method']}, stage {stage} of {about['sequence']}\n",
        f"{what} {_seen(about, stage, name[0] == 'edit')} ({about['schedule']}) from"
        f" `{model['path']}`.\n",
        "| | |\n|---|---|",
        *(f"| {key} | {_cell(value)} |" for key, value in _facts(store, run, stage, name)),
        "",
        *_scores(store, run, stage),
    ]
    return "\n".join(lines) + "\n"


def _seen(about: dict[str, Any], stage: int, edited: bool) -> str:
    """What a stage was trained on. What was edited may be of models that were trained apart."""
    tasks, schedule = about["tasks"], about["schedule"]
    if schedule == Schedule.single:
        return f"trained on {tasks[stage - 1]} alone"
    listed = ", ".join(tasks if schedule == Schedule.joint else tasks[:stage])
    if edited:
        return f"after {listed}, edited"
    if schedule == Schedule.joint:
        return f"trained on {listed}, all at once"
    return f"after {listed}, trained in this order"


def _facts(store: Store, run: StoredRun, stage: int, name: Name) -> list[tuple[str, Any]]:
    about: dict[str, Any] = dict(run.about or {})
    manifest = store.manifest(*name)
    names = ("method", "sequence", "seed", "schedule", "data", "protocol", "experiment")
    settings = {key: json.dumps(value) for key, value in (about.get("settings") or {}).items()}
    facts = [("run", run.run), ("stage", stage), ("node", "/".join(name))]
    facts += [(key, about.get(key)) for key in names]
    facts.append(("settings", " ".join(f"{key}={value}" for key, value in settings.items())))
    versions = manifest.get("versions", {})
    facts.append(("versions", ", ".join(f"{key} {value}" for key, value in versions.items())))
    facts.append(("made by", f"trace-harness {manifest.get('harness_version', '')}"))
    return [(key, value) for key, value in facts if value not in (None, "")]


def _scores(store: Store, run: StoredRun, stage: int) -> list[str]:
    """The headline scores of the stage, a line each; a line that says so where there is none."""
    rows = [row for cell in run.cells if cell.stage == stage for row in _headline(store, cell)]
    if not rows:
        return ["No score of this stage is in the store."]
    head = ["Its scores:\n", "| suite | benchmark | metric | value | stderr | items |"]
    return [*head, "|---|---|---|--:|--:|--:|", *rows]


def _headline(store: Store, cell: Cell) -> list[str]:
    try:
        scores = store.scores(cell.kind, cell.key, cell.unit)
    except (DataError, OSError):
        return []
    wanted = None, cell.headline, cell.filter
    return [
        f"| {cell.suite} | {cell.benchmark} | {row['metric']} | {_number(row['value'])} "
        f"| {_number(row['stderr'])} | {_cell(row['n'])} |"
        for row in scores
        if (row["subtask"], row["metric"], row["filter"]) == wanted
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _cell(value: Any) -> str:
    return "" if value is None else str(value).replace("|", "\\|")
