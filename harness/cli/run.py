"""`harness run`: every job is composed, checked and planned before one starts.

Jobs run one after the other, or where one asks for it in a launcher of Hydra's, which hands back
their numbers. Hydra exits with code 1 for everything, and a SystemExit in one job of a sweep ends
the others, so all mistakes are found before it starts.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.cli.display import Display, Jobs
from harness.cli.overrides import Words, parser, read
from harness.config.compose.mistakes import attempt
from harness.config.compose.sweep import sweep_parameters
from harness.config.places import conf_dir, parse
from harness.errors import StageFailed, refuse
from harness.results.build import rebuild_table, wrong_nodes
from harness.run.job import Job, make_jobs
from harness.run.parent import finish, require_ready
from harness.run.pending import pending_nodes
from harness.store.layout import TABLE

_DESCRIPTION = """\
What the store holds is not done again: the same command goes on where it stopped, and prints the
tables of a run that is complete."""
_EXAMPLES = (
    "experiment=smoke",
    "run method=replay method.ratio=0.05 seed=3 engine=zero2",
    "-m seed=0,1,2 method=seqft,replay",
    "--cfg job --resolve",
)


def main(argv: list[str]) -> int:
    """Run one job, or every job of a sweep with -m; returns the exit code or raises."""
    made = parser("run", _DESCRIPTION, *_EXAMPLES)
    _add_hydra(made)
    return run(read(made, argv))


def run(words: Words) -> int:
    """Run the jobs of a command line."""
    if _only_printed(words):
        refuse(line for job in words.jobs() for line in attempt(job).lines)
        return _through_hydra(words, _nothing)
    jobs = make_jobs(words.jobs())
    require_ready(jobs)
    print_of_before(jobs)
    print_of_wrong(jobs)
    task = _Task(jobs, Jobs(len(jobs)) if len(jobs) > 1 else None)
    if any(job.composition.asks_hydra for job in jobs):
        _through_hydra(words, task)
    else:  # Hydra would compose all of them twice more
        for number, job in enumerate(jobs):
            task.do(number, job)
    return _report_unfinished(jobs)


def print_of_before(jobs: list[Job]) -> None:
    """Print a line per store that holds nodes of an earlier version."""
    for store in {job.store.root: job.store for job in jobs}.values():
        line = store.of_before()
        if line:
            print(line)


def print_of_wrong(jobs: list[Job]) -> None:
    """Print a line per stored node of these jobs whose scores cannot be, so that it is redone."""
    lines = [line for job in jobs for line in wrong_nodes(job.store, job.plan.run, job.plan.cells)]
    for line in dict.fromkeys(lines):
        print(line)


@dataclass(frozen=True)
class _Task:
    """What is done for each job; a launcher of Hydra's calls it in processes of its own."""

    jobs: list[Job]
    display: Jobs | None

    def __call__(self, composed: Any) -> None:
        """The job of which Hydra tells the number."""
        from hydra.core.hydra_config import HydraConfig

        number = HydraConfig.get().job.num if self.display else 0
        self.do(number, _job(self.jobs, number, list(HydraConfig.get().overrides.task)))

    def do(self, number: int, job: Job) -> None:
        """A failed stage is told, not raised, so that the other jobs go on; what is missing
        afterwards is read from the store."""
        from harness.cli.show import show_notes, show_outcome

        if self.display:
            self.display.begin(number, job.name)
        show_notes(job.config)
        try:
            outcome = finish(job, Display())
        except StageFailed as error:
            print(f"error: {error}", file=sys.stderr)
            return
        show_outcome(outcome)


def _job(jobs: list[Job], number: int, overrides: list[str]) -> Job:
    """The job of this number; one that a sweeper thought of by itself is made here and now."""
    if number < len(jobs) and _values(jobs[number].composition.overrides) == _values(overrides):
        return jobs[number]
    (job,) = make_jobs([overrides])
    require_ready([job])
    return job


def _values(overrides: Any) -> dict[str, str]:
    """Key -> value, written as Hydra writes them; the keys of Hydra itself left out."""
    given = ((item.get_key_element(), item) for item in parse(list(overrides)))
    return {
        name: item.get_value_element_as_str()
        for name, item in given
        if not name.lstrip("+~").startswith("hydra")
    }


def _report_unfinished(jobs: list[Job]) -> int:
    """Exit code 1 (in a sweep, one line per job) unless everything that was asked for is there."""
    missing = [pending_nodes(job.config, job.store, job.plan) for job in jobs]
    unfinished = sum(map(bool, missing))
    if len(jobs) == 1:
        return 1 if unfinished else 0
    # Jobs side by side each wrote the table; the last to write may not have seen the others.
    tables = {(job.store.root, job.config.store.results): job.store for job in jobs}
    for (_, results), store in tables.items():
        rebuild_table(store, Path(results) / TABLE)
    for job, nodes in zip(jobs, missing, strict=True):
        state = f"{len(nodes)} nodes missing, first: {nodes[0].label}" if nodes else "complete"
        print(f"{job.name}: {state}")
    print(f"{len(jobs) - unfinished} of {len(jobs)} jobs complete")
    if unfinished:
        print("the same command does what is missing")
    return 1 if unfinished else 0


def _add_hydra(made: Any) -> None:
    """The flags of Hydra's that print a configuration or tell of Hydra."""
    kinds = ("job", "hydra", "all")
    made.add_argument("-c", "--cfg", choices=kinds, help="print the configuration; run nothing")
    made.add_argument("--resolve", action="store_true", help="--cfg: with all values filled in")
    made.add_argument("-p", "--package", metavar="KEY", help="--cfg: only this part of it")
    about = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
    told = "print what Hydra knows"
    made.add_argument("-i", "--info", nargs="?", const="all", choices=about, help=told)
    made.add_argument("--hydra-help", action="store_true", help="the help of Hydra's own flags")


def _only_printed(words: Words) -> bool:
    return bool(words.options.cfg or words.options.info or words.options.hydra_help)


def _nothing(composed: Any) -> None:
    """What Hydra calls where it only prints."""


def _through_hydra(words: Words, task: Callable[[Any], None]) -> int:
    import hydra

    with _arguments(_hydras(words)):
        hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(task)()
    return 0


def _hydras(words: Words) -> list[str]:
    """The command line as Hydra's own parser wants it: flags first."""
    options = words.options
    flags = [f"--{name}" for name in ("multirun", "resolve") if getattr(options, name)]
    flags += ["--hydra-help"] if options.hydra_help else []
    for name in ("cfg", "package", "info"):
        value = getattr(options, name)
        flags += [] if value is None else [f"--{name}", value]
    swept = sweep_parameters(words.overrides) if words.multirun else []
    # What the configuration sweeps over is on the command line now.
    return [*flags, *swept, *words.overrides, *(["hydra.sweeper.params=null"] if swept else [])]


@contextmanager
def _arguments(argv: list[str]) -> Iterator[None]:
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
