"""Values that are written and say nothing, as those of an unset variable of the shell."""

from harness.config import HarnessConfig


def empty_mistakes(config: HarnessConfig) -> list[str]:
    """A line for each name and each place that is an empty text."""
    names = {
        "model.name": config.model.name,
        "method.name": config.method.name,
        "sequence.name": config.sequence.name,
    }
    places = {
        "model.path": config.model.path,
        "data.root": config.data.root,
        "data.suite_root": config.data.suite_root,
        "sequence.from_folder": config.sequence.from_folder,
        "engine.hostfile": config.engine.hostfile,
        "eval.vllm_python": config.eval.vllm_python,
        "judge.cache": config.judge.cache,
    }
    found = [f"{key}: its value is empty; give a name" for key in _empty(names)]
    return found + [f"{key}: its value is empty; name a file or folder" for key in _empty(places)]


def _empty(values: dict[str, str | None]) -> list[str]:
    return [key for key, value in values.items() if value is not None and not str(value).strip()]
