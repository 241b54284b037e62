"""The parent: walks a plan, skips what is done, launches workers for the rest, writes the table.

The only module that knows everything; it never imports torch.
"""

import shutil
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path

from harness.config import Device, HarnessConfig
from harness.config.machine import machine
from harness.config.plain import plain
from harness.errors import DataError, Diverged, StageFailed, mistakes_of, refuse
from harness.plan.checks.inputs import ready_mistakes
from harness.plan.memory.fit import memory_mistakes
from harness.plan.tokens import check_demonstrations
from harness.results.build import run_scores
from harness.results.records import record_of, record_run
from harness.results.schema import Scores
from harness.run.disk import NoRoom, Room, told_if_full
from harness.run.diverged import barred, divergences
from harness.run.events import Event, Nobody, Watcher, watched
from harness.run.faults import Faults
from harness.run.job import Job, job_of
from harness.run.launch.crew import Crew, crew_for
from harness.run.launch.devices import leased, shares
from harness.run.launch.failure import Failure
from harness.run.launch.forked import no_fork_server
from harness.run.launch.group import WorkerGroup, follow_to_end
from harness.run.launch.job import RankJob, log_file
from harness.run.pending import pending_nodes
from harness.run.readers import note_progress, record_readers
from harness.run.repairs import checked_repairs, tell
from harness.run.retention import stays_for, tidy
from harness.run.sides import Side, sides
from harness.run.tables import Tables, current_tables, table_path
from harness.store.broken import forget_broken
from harness.store.layout import LOGS, TRAINING, TRANSIENT
from harness.store.listener import Notice
from harness.store.store import Held, Store
from harness.store.work import EvalWork, Plan, TrainWork, Work

WAIT_SECONDS = 1.0
SEEN_SECONDS = 60.0  # what a network file system may keep to itself


@dataclass
class Outcome:
    """What a run did. `found`: how many nodes were there before. `table`: where the scores of all
    runs are, or will be when the command ends; `scores`: of this run; `left_out`: what they lack,
    a line per node. `cut`: task -> share of training rows whose prompt or answer was cut. `stays`:
    why weights are there that are not to be kept, a line per run that reads them."""

    plan: Plan
    trained: int
    scored: int
    found: int
    seconds: float
    table: Path
    scores: Scores
    left_out: list[str]
    cut: dict[str, dict[str, float]]
    stays: list[str]


def require_ready(jobs: list[Job]) -> None:
    """See that what the jobs read is within reach, and let the store know of it. Raises
    ConfigError, Mistakes for several."""
    lines, forks = [], False
    for job in jobs:
        pending = pending_nodes(job.config, job.store, job.plan)
        forks |= bool(pending) and machine(job.config.engine)[0] == "cpu"
        lines += ready_mistakes(job.config, pending)
        lines += memory_mistakes(job.config, pending)
        lines += mistakes_of(partial(check_demonstrations, job.config, job.store, job.plan))
        job.store.hashes.save()
    refuse(lines)
    if not forks:
        no_fork_server()
    for job in jobs:  # before the first starts, so that none drops what a later one reads
        record_readers(job.store, job.plan)


def execute(config: HarnessConfig, watcher: Watcher | None = None) -> Outcome:
    """Check and plan a configuration, and do what is missing of it. Raises ConfigError or
    StageFailed."""
    job = job_of(config)
    require_ready([job])
    with current_tables([job]) as tables:
        return finish(job, tables, watcher)


def finish(job: Job, tables: Tables, watcher: Watcher | None = None) -> Outcome:
    """Do what is missing of a job and note that its table is to be rebuilt; the watcher is told
    how far it is. Raises StageFailed."""
    started = time.monotonic()
    config, store, plan = job.config, job.store, job.plan
    store.sweep_leftovers()
    with told_if_full(store, config.store.forget_days):
        record_run(store, plan)
        record_readers(store, plan)  # once more, since it may have been forgotten meanwhile
        try:
            done = _Walk(config, store, plan, watcher or Nobody()).finish()
        finally:
            with suppress(DataError):  # what it does not remember is read again
                store.hashes.save()
            tables.note(job)
    scores, left_out = run_scores(store, record_of(plan))
    tables.told.update(left_out)
    return Outcome(
        plan=plan,
        trained=sum(isinstance(node, TrainWork) for node in done),
        scored=sum(isinstance(node, EvalWork) for node in done),
        found=len(plan.nodes) - len(done),
        seconds=time.monotonic() - started,
        table=table_path(job),
        scores=scores,
        left_out=left_out,
        cut=_cut_shares(store, plan),
        stays=stays_for(store, plan, config.store.keep, config.store.forget_days),
    )


def _cut_shares(store: Store, plan: Plan) -> dict[str, dict[str, float]]:
    trained = [node for node in plan.of(TrainWork) if store.done(node.kind, node.key)]
    reports = [store.read(node.kind, node.key, TRAINING) for node in trained]
    return {report["task"]: report["truncated"] for report in reports}


class _Walk:
    """Runs what is pending, in worker groups, until nothing is."""

    def __init__(self, config: HarnessConfig, store: Store, plan: Plan, watcher: Watcher) -> None:
        self.config, self.store, self.plan, self.watcher = config, store, plan, watcher
        self.finished: list[Work] = []
        self.dropped: set[str] = set()
        self.barred: dict[str, TrainWork] = {}

    @cached_property
    def faults(self) -> Faults:
        """What is made of ranks that fail."""
        return Faults(self.config, self.store, self.plan.run["run"], self.watcher.follow)

    def finish(self) -> list[Work]:
        """Do it, and return what was done. Raises Diverged where a stage is known to diverge, once
        all is done that does not hang on it."""
        repairs = checked_repairs(self.store, self._pending)
        if repairs.pending:
            with watched(self.watcher, repairs.pending):
                tell(self.watcher, repairs)
                self._tell_of_barred(repairs.pending[0])
                self._work(repairs.pending)
        self._tidy([])
        if self.barred:
            raise Diverged("; ".join(divergences(self.config, self.store, self.barred.values())))
        return self.finished

    def _pending(self) -> list[Work]:
        nodes = pending_nodes(self.config, self.store, self.plan)
        self.barred = barred(self.config, self.store, nodes)
        return [node for node in nodes if node.key not in self.barred]

    def _tell_of_barred(self, first: Work) -> None:
        for line in divergences(self.config, self.store, self.barred.values()):
            self.watcher.follow(Event(first.key, 0.0, Notice(line, line, warning=True)))

    def _work(self, pending: list[Work]) -> None:
        engine, idle = self.config.engine, 0
        while pending:
            idle += 1
            with crew_for(engine, self.config.eval.beside) as crew:
                while pending and (crew.whole or engine.hostfile is None):
                    pending, idle = self._work_with(crew, pending), 0
            if idle > self.config.run.retries:
                raise StageFailed(f"engine.hostfile={engine.hostfile}: hosts are gone at once")

    def _work_with(self, crew: Crew, pending: list[Work]) -> list[Work]:
        """One launch, or a wait for others; returns what is left."""
        wanted, ready = [(node.kind, node.key) for node in pending], list[Work]()
        try:
            with self.store.locks(wanted) as held:
                free = set(held.nodes)
                mine = [node for node in pending if (node.kind, node.key) in free]
                ready = self._ready(mine)
                if ready:
                    self._launch(ready, held, crew)
        finally:
            if ready:
                self.store.sweep_leftovers()  # of ranks that failed
        if not ready:
            busy = pending[0]
            self.watcher.wait_for(self.store.holder(busy.kind, busy.key))
            time.sleep(WAIT_SECONDS)
        return self._pending()

    def _ready(self, nodes: list[Work]) -> list[Work]:
        """Nodes whose inputs are in the store or made by an earlier one of these."""
        chosen: list[Work] = []
        made: set[str] = set()
        for node in nodes:
            if all(key in made or self.store.whole(kind, key) for kind, key in node.needs()):
                made.add(node.key)
                chosen.append(node)
        return chosen

    def _drop_optimizer_states(self) -> None:
        """Optimizer state is kept until the stage after it is done."""
        for before, after in pairwise(self.plan.of(TrainWork)):
            if self.store.done("train", after.key):
                shutil.rmtree(self.store.path("train", before.key) / TRANSIENT, ignore_errors=True)

    def _tidy(self, held: list[tuple[str, str]]) -> None:
        """Say that this run is worked on, and drop what is not to be kept and nobody needs."""
        note_progress(self.store, self.plan)
        wanted = self.config.store
        if wanted.keep != "all":
            gone = tidy(self.store, self.plan, wanted.keep, held, wanted.forget_days)
            self.dropped |= set(gone)

    def _launch(self, nodes: list[Work], held: Held, crew: Crew) -> None:
        def follow(event: Event) -> None:
            self.watcher.follow(event)
            if event.done == 1:
                self._tidy(held.nodes)

        def complete(group: WorkerGroup) -> bool:
            return all(self._is_written(node) for node in groups[group].works)

        self.dropped -= {node.key for node in nodes}
        groups = dict[WorkerGroup, Side]()
        room = Room(self.config, self.store, self.plan, nodes, held.token)
        room.require()
        with ExitStack() as stack:
            launched = sides(nodes, crew, self.config.eval.beside)
            variables = stack.enter_context(self._leased(launched, crew.world))
            counts = [len(side.crew.seats) for side in launched]
            for side, own in zip(launched, shares(variables, counts), strict=True):
                minutes = self.config.engine.timeout_minutes
                group = WorkerGroup(self._job(side, held), side.crew, own, minutes)
                groups[stack.enter_context(group)] = side
            try:
                broken = follow_to_end([*groups], follow, complete, room.watch)
            except NoRoom:
                self._account_for(self._written(nodes, 0.0))  # which may free some
                raise
        done = self._written(nodes, SEEN_SECONDS if crew.members and not broken else 0.0)
        self._account_for(done)
        self._require(groups, done, broken)

    def _account_for(self, done: list[Work]) -> None:
        """What a launch has brought into the store."""
        self.finished += done
        self.faults.done(done)
        for node in done:
            forget_broken(self.store, (node.kind, node.key))
        self._drop_optimizer_states()

    def _leased(
        self, launched: Sequence[Side], training: int
    ) -> AbstractContextManager[dict[str, str]]:
        """The GPUs of all groups at once, so that two commands never wait for each other. training:
        ranks that train."""
        engine, beside = self.config.engine, self.config.eval.beside
        on_gpus = machine(engine, beside)[0] == "cuda"
        if engine.device is Device.cuda and not on_gpus:
            raise StageFailed(f"engine.device=cuda, but there is no GPU on {socket.gethostname()}")
        own = [len(side.crew.seats) for side in launched if side.crew.leases and on_gpus]
        asked = f"engine.ranks={training}"
        asked += f" and eval.beside={beside}" if sum(own) > training else ""
        return leased(sum(own), self.watcher.wait_for, asked)

    def _job(self, side: Side, held: Held) -> RankJob:
        device, _, threads = machine(self.config.engine, self.config.eval.beside)
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{side.works[0].key}"
        return RankJob(
            store=str(self.store.root),
            lease=held.token,
            config=plain(self.config),
            works=[node.to_json() for node in side.works],
            device=device,
            threads=threads,
            folder=str(self.store.root / LOGS / name),
            deterministic=self.config.engine.deterministic,
            awaited=side.awaited,
            halvings=self.faults.halvings,
        )

    def _require(
        self,
        groups: Mapping[WorkerGroup, Side],
        done: Sequence[Work],
        broken: tuple[WorkerGroup, Failure] | None,
    ) -> None:
        """See to what a group has left undone, which may raise StageFailed. A rank that dies after
        its group's work (in teardown) has failed nothing; what was stopped beside it is launched
        again."""
        for group in [broken[0]] if broken else groups:
            missing = next((node for node in groups[group].works if node not in done), None)
            if missing is not None:
                why = broken[1] if broken else group.silent()
                # The other processes of a launcher are not ours to start.
                again = group.crew.whole or self.config.engine.hostfile is not None
                self.faults.meet(missing, why, log_file(group.folder, why.rank), again)
                return

    def _written(self, nodes: list[Work], seconds: float) -> list[Work]:
        """Those that are in the store; what another machine has just written may take a network
        file system some seconds to show."""
        deadline = time.monotonic() + seconds
        while True:
            done = [node for node in nodes if self._is_written(node)]
            if len(done) == len(nodes) or time.monotonic() > deadline:
                return done
            for kind in {node.kind for node in nodes}:
                list((self.store.root / kind).glob("*"))  # has it look again
            time.sleep(WAIT_SECONDS)

    def _is_written(self, node: Work) -> bool:
        """Is it in the store, or was it and has been used up meanwhile?"""
        done = self.store.done(node.kind, node.key)
        return done and (node.key in self.dropped or self.store.whole(node.kind, node.key))
