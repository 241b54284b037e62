"""Values that are written and say nothing, as those of an unset variable of the shell."""

from harness.config import HarnessConfig


def empty_mistakes(config: HarnessConfig) -> list[str]:
    """A line for each name, each place and each text that may be left out that is empty."""
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
    texts = {
        "model.revision": config.model.revision,
        "judge.revision": config.judge.revision,
        "judge.base_url": config.judge.base_url,
        "data.replay_set": config.data.replay_set,
    }
    found = [f"{key}: its value is empty; give a name" for key in _empty(names)]
    found += [f"{key}: its value is empty; give one, or null for none" for key in _empty(texts)]
    return found + [f"{key}: its value is empty; name a file or folder" for key in _empty(places)]


def _empty(values: dict[str, str | None]) -> list[str]:
    return [key for key, value in values.items() if value is not None and not str(value).strip()]
