"""`harness run`: every job is composed, checked and planned before one starts.

Jobs run one after the other, or where one asks for it in a launcher of Hydra's, which hands back
their numbers. Hydra exits with code 1 for everything, and a SystemExit in one job of a sweep ends
the others, so all mistakes are found before it starts.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from harness.cli.display import Display, Jobs
from harness.cli.overrides import Words, parser, read
from harness.cli.say import say
from harness.cli.unfinished import forget_reason, leave_reason, report_unfinished
from harness.config.allowed import allow
from harness.config.compose.compose import implied
from harness.config.compose.mistakes import attempt
from harness.config.compose.sweep import sweep_parameters
from harness.config.launched import Launched, launched
from harness.config.places import conf_dir, parse
from harness.errors import (
    ConfigError,
    HarnessError,
    StageFailed,
    kind_and_line,
    printable,
    refuse,
    told_by,
)
from harness.plan.throughput import measured
from harness.results.build import wrong_nodes
from harness.run.job import Job, Refused, make_jobs, make_sweep, swept
from harness.run.launch.agent import serve
from harness.run.launch.crew import joined
from harness.run.launch.early import note_end
from harness.run.launch.forked import no_fork_server
from harness.run.parent import finish, require_ready
from harness.run.tables import Tables, current_tables
from harness.run.tracking.follow import tracked
from harness.store.abandoned import sweep_abandoned
from harness.store.layout import PARTIAL

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
    """Run one job, or every job of a sweep with -m; returns the exit code or raises. Of several
    processes that a launcher has started that of rank 0 does, the others serve it."""
    peers = launched()
    if peers and peers.rank > 0:
        return serve(peers)
    made = parser("run", _DESCRIPTION, *_EXAMPLES)
    _add_hydra(made)
    with joined(peers) if peers else nullcontext():
        code = run(read(made, argv))
    note_end(argv, complete=code == 0)
    return code


def run(words: Words) -> int:
    """Run the jobs of a command line."""
    if _only_printed(words):
        refuse(line for job in words.jobs() for line in attempt(job).lines)
        return _through_hydra(words, _nothing)
    _refuse_launcher_alone(words)
    sweep = make_sweep(words.jobs(), require_ready, planned=runs_elsewhere(words.overrides))
    jobs, several = sweep.jobs, len(sweep.jobs) + len(sweep.refused) > 1
    by_hydra = any(job.composition.asks_hydra for job in jobs)
    refuse(line for job in sweep.refused if by_hydra and not job.composed for line in job.lines)
    print_of_before(jobs)
    print_of_wrong(jobs)
    print_of_abandoned(jobs)
    for job in jobs:
        forget_reason(job)
    display = Jobs(len(jobs)) if several else None
    alone, swept = launched() is None, bool(words.multirun)
    with current_tables(jobs) as tables:
        task = _Task(jobs, display, tables, tuple(sweep.refused), alone, swept)
        if by_hydra:
            no_fork_server()  # the variables of its ranks are others
            _through_hydra(words, task)
        else:  # Hydra would compose all of them twice more
            for number, job in enumerate(jobs):
                task.do(number, job)
    for line in tables.left_out:
        say(line)
    if several:
        from harness.cli.outcome import show_sweep

        show_sweep(jobs)
    return report_unfinished(sweep)


def print_of_before(jobs: list[Job]) -> None:
    """Print a line per store that holds nodes of an earlier version."""
    for store in {job.store.root: job.store for job in jobs}.values():
        line = store.of_before()
        if line:
            say(line)


def print_of_wrong(jobs: list[Job]) -> None:
    """Print a line per stored node of these jobs whose scores cannot be, so that it is redone."""
    lines = [line for job in jobs for line in wrong_nodes(job.store, job.plan.run, job.plan.cells)]
    for line in dict.fromkeys(lines):
        say(line)


def print_of_abandoned(jobs: list[Job]) -> None:
    """Remove from these jobs' stores what nobody goes on with; print a line per store that had
    any."""
    wanted = {(node.kind, node.key) for job in jobs for node in job.plan.nodes}
    for root, job in {job.store.root: job for job in jobs}.items():
        days = job.config.store.forget_days
        swept = sweep_abandoned(job.store, days, wanted)
        if swept.works:
            told = "" if days is None else f", or untouched for {days:g} days (store.forget_days)"
            say(
                f"store.root={root}: what was kept of {swept.works} pieces of work removed from "
                f"{PARTIAL}/, {swept.bytes / 1e6:.3g} MB: of finished work{told}"
            )


@dataclass(frozen=True)
class _Task:
    """What is done for each job; a launcher of Hydra's calls it in processes of its own, for the
    refused ones too. alone: nobody started this command more than once. swept: -m was given. told:
    what was said about data."""

    jobs: list[Job]
    display: Jobs | None
    tables: Tables
    refused: tuple[Refused, ...] = ()
    alone: bool = True
    swept: bool = False
    told: set[str] = field(default_factory=set)

    def __call__(self, composed: Any) -> None:
        """The job of which Hydra tells the number."""
        from hydra.core.hydra_config import HydraConfig

        number = HydraConfig.get().job.num if self.display else 0
        overrides = list(HydraConfig.get().overrides.task)
        if any(_values(job.overrides) == _values(overrides) for job in self.refused):
            return
        peers = launched() if self.alone else None
        if peers and peers.rank > 0:
            _be_served(peers)
        else:
            self.do(number, _job(self.jobs, number, overrides), peers)

    def do(self, number: int, job: Job, peers: Launched | None = None) -> None:
        """A failed stage, in a sweep whatever else stops a job, is told and not raised, so that the
        other jobs go on; what is missing afterwards is read from the store. peers: the processes
        that a launcher of Hydra's started for this one job."""
        from harness.cli.outcome import show_notes, show_outcome

        allow(job.config.code.allow)  # in a process of a launcher's it is not known yet
        if self.display:
            self.display.begin(number, printable(swept(job, self.jobs)))
        show_notes(job, self.told)
        try:
            with joined(peers) if peers else nullcontext():
                _require_ranks(job, peers)
                beside = job.config.eval.beside > 0
                watcher = Display(lambda: measured(job.config, job.store).paces(), beside)
                outcome = finish(job, self.tables, tracked(job, watcher))
        except (HarnessError, OSError) as error:
            if not self.swept and not isinstance(error, StageFailed):
                raise
            told = told_by(error) if isinstance(error, HarnessError) else [kind_and_line(error)]
            leave_reason(job, "; ".join(told))
            print(f"error: {printable('; '.join(told))}", file=sys.stderr)
            return
        # Before the last job of a sweep others of it are unfinished by nature.
        show_outcome(outcome, job.store, others=number + 1 >= len(self.jobs))


def _be_served(peers: Launched) -> None:
    """Take part in the job of the process of rank 0, which tells what goes wrong: an error raised
    here would end the whole sweep."""
    try:
        serve(peers)
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)


def _require_ranks(job: Job, peers: Launched | None) -> None:
    wanted = job.config.engine.ranks
    if peers and wanted not in (None, peers.world):
        raise ConfigError(
            f"engine.ranks={wanted}, but the job was given {peers.world} tasks; it needs as many, "
            "hydra.launcher.nodes times hydra.launcher.tasks_per_node"
        )


def _job(jobs: list[Job], number: int, overrides: list[str]) -> Job:
    """The job of these overrides, most often the one of this number; one that a sweeper thought of
    by itself is made here and now."""
    wanted = _values(overrides)
    for job in [*jobs[number : number + 1], *jobs]:
        if _values(job.composition.overrides) == wanted:
            return job
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


def runs_elsewhere(overrides: list[str]) -> bool:
    """Is a launcher chosen whose jobs see other devices than this process, on a login node say?"""
    chosen = [item.value() for item in parse(overrides) if item.key_or_group == "hydra/launcher"]
    return any("slurm" in str(name) for name in chosen)


def _refuse_launcher_alone(words: Words) -> None:
    """Hydra itself would start the one job here, on a login node say."""
    for item in [] if words.multirun else parse(words.overrides):
        if item.key_or_group == "hydra/launcher" and item.value() != "basic":
            raise ConfigError(
                f"{item.input_line} starts the jobs of a sweep, of one as well: add -m"
            )


def _only_printed(words: Words) -> bool:
    return bool(words.options.cfg or words.options.info or words.options.hydra_help)


def _nothing(composed: Any) -> None:
    """What Hydra calls where it only prints."""


def _through_hydra(words: Words, task: Callable[[Any], None]) -> int:
    import hydra

    with _arguments(_hydras(words)):
        main = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")
        try:
            main(task)()
        except Exception as error:
            if not _of_submitit(error):
                raise
            told = [line for line in str(error).splitlines() if line.strip()]
            raise StageFailed(
                f"the launcher: {told[-1] if told else type(error).__name__}"
            ) from error
    return 0


def _of_submitit(error: Exception) -> bool:
    """Was it raised there, as where sbatch refuses a job or is not installed?"""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    return where is not None and str(where.tb_frame.f_globals["__name__"]).startswith("submitit.")


def _hydras(words: Words) -> list[str]:
    """The command line as Hydra's own parser wants it: flags first."""
    options = words.options
    flags = [f"--{name}" for name in ("multirun", "resolve") if getattr(options, name)]
    flags += ["--hydra-help"] if options.hydra_help else []
    for name in ("cfg", "package", "info"):
        value = getattr(options, name)
        flags += [] if value is None else [f"--{name}", value]
    swept = sweep_parameters(words.overrides) if words.multirun else []
    given = words.overrides if words.multirun else implied(words.overrides)
    # What the configuration sweeps over is on the command line now.
    return [*flags, *swept, *given, *(["hydra.sweeper.params=null"] if swept else [])]


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
