"""`harness prefetch`: fetch what runs read from the network, and say how to run without it."""

import os
import time

from huggingface_hub import constants

from harness.cli.overrides import parser, read
from harness.cli.say import say
from harness.config import HarnessConfig, ModelConfig
from harness.errors import ConfigError
from harness.evaluation.judge.settings import MODEL, check_local_model, local_model
from harness.evaluation.prefetch.benchmarks import (
    datasets_cache,
    lm_eval_tasks,
    load,
    nltk_resources,
    readers,
    remembered,
)
from harness.models.hub import PLACE, fetch, hub_files, is_hub, is_offline, missing_files
from harness.plan.load import load as load_config

_DESCRIPTION = """\
Fetches the model of a run from the hub, a judging one included, and the data of lm-eval's
benchmarks, unless they are cached, and prints the variables with which machines without network
find them."""
_EXAMPLES = (
    "prefetch model=qwen2.5-0.5b suite=[general_online]",
    "prefetch -m model=qwen2.5-0.5b,llama3.2-1b suite=[]",
)


def main(argv: list[str]) -> int:
    """Fetch what a run, or a sweep with -m, reads from the network; returns 0 or raises."""
    words = read(parser("prefetch", _DESCRIPTION, *_EXAMPLES), argv)
    prefetch([load_config(job) for job in words.jobs()])
    return 0


def prefetch(configs: list[HarnessConfig]) -> None:
    """Fetch models and benchmark data of all configurations. Raises ConfigError for the first
    thing that is not available; what was fetched before it stays."""
    models = {
        (model.path, model.revision): (model, place)
        for config in configs
        for model, place in _models(config)
        if is_hub(model)
    }
    tasks = sorted({name for config in configs for name in lm_eval_tasks(config)})
    local = nltk_resources({name for config in configs for name in readers(config)})
    if not models and not tasks and not local:
        say("nothing to fetch: the model is a folder, and no suite reads from the network")
        return
    for model, place in models.values():
        _fetch_model(model, place)
    _fetch_tasks(tasks)
    for resource in local:
        _fetch_nltk(resource)
    say("for runs without network, copy these folders or share them, and set:")
    for name, value in environment(_nltk_folder([*nltk_resources(tasks), *local])).items():
        say(f"export {name}={value}")


def _models(config: HarnessConfig) -> list[tuple[ModelConfig, str]]:
    """The models that a run loads, each with the key that names it."""
    check_local_model(config.judge)
    judge = local_model(config.judge)
    return [*([] if judge is None else [(judge, MODEL)]), (config.model, PLACE)]


def _fetch_model(model: ModelConfig, place: str) -> None:
    label = f"model {model.path}" + (f" at {model.revision}" if model.revision else "")
    if is_offline() and missing_files(model):
        raise ConfigError(f"{label} is not cached; prefetch needs network: unset HF_HUB_OFFLINE")
    if is_offline():
        say(f"{label}: cached")
        return
    files = hub_files(model, place)
    if files.to_fetch == 0 and not missing_files(model):
        say(f"{label}: cached, {_size(files.total)}, commit {files.commit}")
        return
    say(f"{label}: fetching {_size(files.to_fetch)} of {_size(files.total)}")
    started = time.monotonic()
    fetch(model, files, place)
    missing = missing_files(model)
    if missing:
        raise ConfigError(f"{label}: the hub has no {', '.join(missing)}; is it a causal model?")
    seconds = time.monotonic() - started
    say(f"{label}: {len(files.names)} files, commit {files.commit}, {seconds:.0f} s")


def _fetch_tasks(tasks: list[str]) -> None:
    known = remembered()
    for name in tasks:
        if name in known:
            say(f"benchmark {name}: cached")
    wanted = [name for name in tasks if name not in known]
    if not wanted:
        return
    say(f"benchmarks {', '.join(wanted)}: loading (their data is fetched once)")
    before = _bytes()
    failed = load(wanted)
    for name, reason in failed.items():
        raise ConfigError(f"benchmark {name} cannot be loaded: {reason}")
    say(f"benchmarks: {len(wanted)} loaded, {_size(_bytes() - before)} more in the cache")


def _fetch_nltk(resource: str) -> None:
    from harness.evaluation.prefetch import nltk_data

    if nltk_data.folder_of(resource) is None and not is_offline():
        nltk_data.fetch(resource)
    folder = nltk_data.folder_of(resource)
    if folder is None:
        wanted = nltk_data.download_folder()
        raise ConfigError(
            f"nltk's {resource} cannot be fetched to {wanted}; prefetch needs network, or copy a "
            "folder that holds it and set NLTK_DATA"
        )
    say(f"nltk {resource}: in {folder}")


def _nltk_folder(resources: list[str]) -> str | None:
    """Where the nltk data that is needed lies; None where none is."""
    from harness.evaluation.prefetch.nltk_data import folder_of

    return next((folder_of(name) for name in resources), None)


def environment(nltk: str | None) -> dict[str, str]:
    """The variables with which a compute node without network finds everything."""
    found = {"HF_HOME": os.path.abspath(constants.HF_HOME)}
    for name in ("HF_HUB_CACHE", "HF_DATASETS_CACHE"):
        if os.environ.get(name):
            found[name] = os.path.abspath(os.environ[name])
    found |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    return found | ({"NLTK_DATA": nltk} if nltk else {})


def _bytes() -> int:
    """Bytes of the hub's cached data sets and of the datasets library's files."""
    folders = (constants.HF_HUB_CACHE, datasets_cache())
    total = 0
    for folder in folders:
        for base, _, names in os.walk(folder):
            paths = (os.path.join(base, name) for name in names)
            total += sum(os.path.getsize(p) for p in paths if not os.path.islink(p))
    return total


def _size(count: int) -> str:
    amount, units = float(count), ["B", "kB", "MB", "GB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.1f} {units[0]}" if units[0] != "B" else f"{count} B"
