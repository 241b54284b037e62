"""The settings of a run: what of its overrides tells it apart from others of its method."""

from typing import Any

from harness.config.places import parse

# Overrides that change where or how fast something runs or which cells are scored, or that are
# columns of the table themselves.
_NO_SETTING = (
    "seed",
    "experiment",
    "protocol",
    "model",
    "sequence",
    "method",
    "engine",
    "store",
    "data",
    "store.root",
    "store.keep",
    "store.forget_days",
    "store.silence_minutes",
    "store.results",
    "data.root",
    "data.suite_root",
    "train.checkpoint_steps",
    "train.checkpoint_minutes",
    "train.loss_bound",
    "eval.beside",
    "eval.past",
    "eval.future",
    "eval.stage0",
    "eval.suite_stages",
)


def settings_of(overrides: list[str]) -> dict[str, Any]:
    """Key -> value, as JSON, of the overrides that tell two runs of one method apart; of a key
    that was deleted, `~key` -> null."""
    return {
        ("~" if item.is_delete() else "") + _key(item): _json(item.value())
        for item in parse(overrides)
        if item.key_or_group not in _NO_SETTING
        and not str(item.key_or_group).startswith(("engine.", "hydra", "run.", "sweep.", "code."))
    }


def _key(item: Any) -> str:
    return f"{item.key_or_group}@{item.package}" if item.package else str(item.key_or_group)


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _json(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_json(entry) for entry in value]
    finite = not isinstance(value, float) or abs(value) < float("inf")
    return value if isinstance(value, str | int | float | None) and finite else str(value)
