"""Verbs of the command line. `run` hands over to Hydra after every job was composed and checked.

Hydra exits with code 1 for everything and a SystemExit in one job of a sweep ends the others, so
all mistakes are found before it starts, and what fails inside a job is an exception.
"""

import os
import sys
from collections.abc import Callable
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.config import HarnessConfig
from harness.config.places import conf_dir
from harness.errors import ConfigError, StageFailed, suggest

HYDRA_ONLY = ("--cfg", "-c", "--info", "-i", "--hydra-help", "--package", "-p", "--resolve")


def main(argv: list[str]) -> int:
    """Dispatch a command line; returns the exit code or raises HarnessError."""
    if len(argv) > 2 and argv[0] in ("--config-dir", "-cd") and argv[2] in {**VERBS, **DELEGATED}:
        argv = [argv[2], *argv[:2], *argv[3:]]
    if argv and argv[0] in DELEGATED:
        return import_module(DELEGATED[argv[0]]).main(argv[1:])
    if any(flag in argv for flag in ("--help", "-h")):
        from harness.cli.help import help_text

        print(help_text())
        return 0
    if argv and argv[0] in VERBS:
        return VERBS[argv[0]](argv[1:])
    if argv and not argv[0].startswith("-") and "=" not in argv[0] and argv[0][:1].isalpha():
        raise ConfigError(f"unknown verb '{argv[0]}'" + suggest(argv[0], [*VERBS, *DELEGATED]))
    return run(argv)


def run(argv: list[str]) -> int:
    """Run one job, or every job of a sweep with -m."""
    flags, overrides = _split(argv)
    multirun = "-m" in flags or "--multirun" in flags
    from harness.config.compose.compose import load
    from harness.config.compose.sweep import expand, sweep_parameters

    jobs = expand(overrides, multirun)
    swept = sweep_parameters(overrides) if multirun else []
    configs = [load(job) for job in jobs]
    if not any(flag in HYDRA_ONLY for flag in flags):
        from harness.plan.checks.run import check_outputs, validate
        from harness.run.parent import prepare

        for check in (validate, check_outputs):
            for config in configs:
                check(config)
        plans = [prepare(config) for config in configs]
        _tell_of_before(configs)
        _tell_of_wrong(plans)
    # Hydra's own parser wants the flags before the overrides.
    ordered = [*(word for word in argv if word not in overrides), *swept, *overrides]
    if swept:
        ordered.append("hydra.sweeper.params=null")  # they are on the command line now
    _through_hydra(ordered, str(conf_dir()), _job if len(configs) == 1 else _one_of(len(configs)))
    if any(flag in HYDRA_ONLY for flag in flags):
        return 0
    return _report_unfinished(configs)


def _through_hydra(argv: list[str], conf: str, job: Callable[[Any], None]) -> None:
    import hydra

    with _arguments(argv):
        hydra.main(version_base="1.3", config_path=conf, config_name="config")(job)()


def _one_of(count: int) -> Callable[[Any], None]:
    """A job of a sweep, which says where the sweep is."""
    from harness.cli.display import Jobs

    jobs = Jobs(count)

    def job(composed: Any) -> None:
        from hydra.core.hydra_config import HydraConfig

        jobs.begin(HydraConfig.get().job.num, _named(composed))
        _job(composed)

    return job


def _job(composed: Any) -> None:
    """One job of Hydra's. A failed stage is told, not raised, so that the other jobs go on; what
    is missing afterwards is read from the store."""
    from hydra.core.hydra_config import HydraConfig

    from harness.cli.display import Display
    from harness.cli.show import show_notes, show_outcome
    from harness.config.compose.compose import to_config
    from harness.config.compose.settings import settings_of
    from harness.run.parent import execute

    overrides = list(HydraConfig.get().overrides.task)
    config = to_config(composed, overrides)
    show_notes(config)
    try:
        outcome = execute(config, settings_of(overrides), Display())
    except StageFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return
    show_outcome(outcome)


def _report_unfinished(configs: list[HarnessConfig]) -> int:
    """Exit code 1 (in a sweep, one line per job) unless everything that was asked for is there."""
    from harness.results.build import rebuild_table
    from harness.run.parent import pending_nodes, prepare
    from harness.store.layout import TABLE

    unfinished = 0
    for config in configs:
        store, planned = prepare(config)
        missing = pending_nodes(config, store, planned)
        unfinished += bool(missing)
        # Jobs side by side each wrote the table; the last to write may not have seen the others.
        rebuild_table(store, Path(config.store.results) / TABLE)
        if len(configs) > 1:
            first = f"{len(missing)} nodes missing, first: {missing[0].label}" if missing else ""
            state = first or "complete"
            print(f"{_named(config)}: {state}")
    if len(configs) > 1:
        print(f"{len(configs) - unfinished} of {len(configs)} jobs complete")
        if unfinished:
            print("the same command does what is missing")
    return 1 if unfinished else 0


def _tell_of_before(configs: list[HarnessConfig]) -> None:
    """A line per store that holds nodes of an earlier version."""
    from harness.store.store import Store

    for root in dict.fromkeys(config.store.root for config in configs):
        line = Store(root).of_before()
        if line:
            print(line)


def _tell_of_wrong(plans: list[Any]) -> None:
    """A line per node of these plans whose stored scores cannot be."""
    from harness.results.build import wrong_nodes

    lines = [line for store, plan in plans for line in wrong_nodes(store, plan.run, plan.cells)]
    for line in dict.fromkeys(lines):
        print(line)


def _named(config: Any) -> str:
    return f"{config.method.name} seed={config.seed} on {config.sequence.name}"


def plan(argv: list[str]) -> int:
    """Print what a configuration would do, without doing it."""
    from harness.cli.plan import Left, print_plan, print_total
    from harness.config.compose.compose import load
    from harness.config.compose.settings import settings_of
    from harness.config.compose.sweep import expand
    from harness.run.parent import planned

    flags, overrides = _split(argv)
    jobs = expand(overrides, "-m" in flags or "--multirun" in flags)
    configs = [load(job) for job in jobs]
    # All of them before the first is printed, so that a mistake in one is all that is said.
    plans = [planned(config, settings_of(job)) for config, job in zip(configs, jobs, strict=True)]
    _tell_of_before(configs)
    _tell_of_wrong(plans)
    left: dict[str, Left] = {}
    told: set[str] = set()
    for config, (store, plan) in zip(configs, plans, strict=True):
        left |= print_plan(config, store, plan, told)
    if len(jobs) > 1:
        print_total(len(jobs), left)
    return 0


def evaluate(argv: list[str]) -> int:
    """Score checkpoints that were trained elsewhere as the stages of a sequence.

    `checkpoints=[a,b,...]` stands for `method=foreign method.checkpoints=[a,b,...]`.
    """
    given = [word for word in argv if word.startswith("checkpoints=")]
    if not given or any(word.partition("=")[2].strip() in ("", "null", "[]") for word in given):
        raise ConfigError("harness eval: give the folder of every stage, checkpoints=[a,b,...]")
    rest = [word for word in argv if word not in given]
    chosen = ["method=foreign", *(f"method.{word}" for word in given)]
    return run([*rest, *chosen])


def prefetch(argv: list[str]) -> int:
    """Fetch what a run, or a sweep with -m, reads from the network."""
    from harness.cli.prefetch import prefetch as command
    from harness.config.compose.compose import load
    from harness.config.compose.sweep import expand

    flags, overrides = _split(argv)
    command([load(job) for job in expand(overrides, "-m" in flags or "--multirun" in flags)])
    return 0


VERBS: dict[str, Callable[[list[str]], int]] = {
    "run": run,
    "plan": plan,
    "eval": evaluate,
    "prefetch": prefetch,
}
# Verbs with a command line of their own, --help included: the module whose `main` takes it.
DELEGATED = {
    "data": "harness.cli.data",
    "edit": "harness.cli.edit",
    "frontier": "harness.cli.frontier",
    "import": "harness.cli.importing",
    "judge": "harness.cli.judge",
    "method": "harness.cli.method",
    "metrics": "harness.cli.metrics",
    "paper": "harness.cli.paper",
    "score": "harness.cli.score",
    "tables": "harness.cli.tables",
}


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Hydra's flags and the overrides, by Hydra's own parser."""
    from hydra._internal.utils import get_args_parser

    from harness.config.places import own_folder

    parser = get_args_parser()

    def refuse(message: str) -> Any:
        raise ConfigError(f"command line: {message}")

    parser.error = refuse  # type: ignore[method-assign]
    arguments = parser.parse_intermixed_args(argv)
    flags = [item for item in argv if item.startswith("-") and "=" not in item]
    overrides = list(arguments.overrides)
    if arguments.config_dir:
        overrides = [*own_folder(arguments.config_dir), *overrides]
    return flags, overrides


@contextmanager
def _arguments(argv: list[str]) -> Any:
    """Hydra reads sys.argv; HYDRA_FULL_ERROR makes it raise instead of exiting with 1."""
    before = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = ["harness", *argv]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = before[0]
        if before[1] is None:
            del os.environ["HYDRA_FULL_ERROR"]
