"""`harness plan`: what a configuration, or a sweep, would do, without doing it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.cli.memory_table import memory_lines
from harness.cli.outcome import show_guessed
from harness.cli.overrides import parser, read
from harness.cli.run import print_of_before, print_of_wrong
from harness.cli.say import say
from harness.config import HarnessConfig
from harness.data.encoding import BYTES_A_TOKEN
from harness.errors import refuse
from harness.models.hub import is_hub, missing_files
from harness.plan.again import reasons
from harness.plan.checks.inputs import input_mistakes
from harness.plan.data_warnings import cut_warnings, data_warnings
from harness.plan.disk import DiskNeeds
from harness.plan.estimates import Estimate, estimate, weight_count
from harness.plan.memory.fit import memory_of, refusals
from harness.plan.memory.machine import machine_of
from harness.plan.throughput import Throughput, measured
from harness.plan.tokens import (
    TokenCounts,
    check_demonstrations,
    estimated_counts,
    training_counts,
)
from harness.run.disk import Room
from harness.run.diverged import barred, divergences
from harness.run.handlers import Size, size
from harness.run.job import Job, make_sweep
from harness.run.pending import pending_nodes
from harness.run.repairs import damaged
from harness.run.sides import clock_hours
from harness.store.status import Status
from harness.store.store import Store
from harness.store.work import Plan, Work

SMALLEST_ESTIMATED = 5e7  # below, start-up and scheduling decide, which the estimate leaves out


_DESCRIPTION = """\
Prints the nodes of a run with their content keys and states, the tokens to train on and the
generations to make, and for a model whose size is known the device hours, disk and memory that
they take: of each rank at every ZeRO stage, of the machine, and whether that fits. GPUs that are
not here are declared (engine.device=cuda engine.ranks=8 engine.device_memory=80). Nothing is run or
fetched."""
_EXAMPLES = ("plan experiment=smoke", "plan -m seed=0,1,2 method=seqft,replay")


def main(argv: list[str]) -> int:
    """Print what a configuration, or a sweep, would do; returns 0 or raises."""
    lists = read(parser("plan", _DESCRIPTION, *_EXAMPLES), argv).jobs()
    # All of them before the first is printed, so that mistakes in one are all that is said.
    sweep = make_sweep(lists, planned=True)
    jobs = sweep.jobs
    print_of_before(jobs)
    print_of_wrong(jobs)
    left: dict[str, Left] = {}
    told: set[str] = set()
    too_large: list[str] = []
    for job in jobs:
        left |= print_plan(job.config, job.store, job.plan, told)
        too_large += print_memory(job, told)
    if len(jobs) > 1:
        print_total(len(jobs), left)
    for refused in sweep.refused:
        say(*(f"{refused.name}: {Status.skipped}: {line}" for line in refused.lines))
    refuse(too_large)
    return 1 if sweep.refused else 0


def print_memory(job: Job, told: set[str]) -> list[str]:
    """Print what a job takes of memory, unless a job before it takes the same; returns what
    certainly does not fit the GPUs. On a CPU, and of disks, that is printed alone: a plan is often
    made elsewhere than the run."""
    works = pending_nodes(job.config, job.store, job.plan)
    memory = memory_of(job.config, works)
    if memory is None or not works or memory.model.weights < SMALLEST_ESTIMATED:
        return []
    text, wrong = "\n".join(memory_lines(memory)), [*refusals(memory)]
    room = Room(job.config, job.store, job.plan, works).short()
    if room and room not in told:
        told.add(room)
        say(f"does not fit here: {room}")
    if text not in told:
        told.add(text)
        say(text)
        if not memory.machine.cuda:
            for line in wrong:
                say(f"does not fit here: {line}")
    return wrong if memory.machine.cuda else []


@dataclass(frozen=True)
class Left:
    """What one node that is not done asks for; no cost where the model's size is unknown."""

    tokens: int
    generations: int
    cost: Estimate | None


def print_plan(config: HarnessConfig, store: Store, plan: Plan, told: set[str]) -> dict[str, Left]:
    """Print nodes, which are done, why work is to do again, tokens to train and generations to
    make; returns what is left by content key. A model that is not available yet is named, and its
    tokens are estimated; `told` holds what earlier jobs of a sweep named."""
    undone = pending_nodes(config, store, plan)
    given_up = barred(config, store, undone)
    to_do = [node for node in undone if node.key not in given_up]
    pending = {node.key for node in to_do}
    tokens = _counted(config, store, plan, to_do, told)
    run, pace, disk = plan.run, measured(config, store), DiskNeeds(config)
    say(f"run {run['run']}: {run['method']} on {run['sequence']}, seed {run['seed']}")
    say(f"{'stage':>5}  {'node':<24} {'key':<20} {'state':<8} {'work':>20}")
    left: dict[str, Left] = {}
    for node in plan.nodes:
        needed = size(node, tokens)
        if node.key in pending:
            left[node.key] = _left(node, needed, config, pace, disk)
        states = {node.key in pending: "to do", node.key in given_up: Status.diverged.value}
        state = states.get(True, "done")
        work = f"{needed.amount:,} {needed.unit}" if needed.amount else "lm-eval task"
        say(f"{node.stage:>5}  {node.label:<24} {node.key:<20} {state:<8} {work:>20}")
    for line in (*damaged(store, to_do).values(), *reasons(to_do, store)):
        say(line)
    for line in divergences(config, store, given_up.values()):
        say(line)
    show_guessed(config, told)
    looked = data_warnings(config, to_do) + cut_warnings(config, to_do, tokens)
    for line in (line for line in looked if line not in told):
        told.add(line)
        say(f"warning: {line}")
    done = len(plan.nodes) - len(undone)
    say(f"{len(plan.nodes)} nodes, {done} done; to do: {_asked(left.values())}")
    weights = weight_count(config.model)
    if any(work.cost is not None for work in left.values()):
        say(
            f"estimate for {(weights or 0.0) / 1e9:.3g} billion weights, {pace.told(config)}: "
            f"{_spent(left.values())}"
        )
        if config.eval.beside:
            say(_on_the_clock(config, to_do, left))
    return left


def _on_the_clock(config: HarnessConfig, to_do: list[Work], left: dict[str, Left]) -> str:
    """The hours that it saves where scoring has ranks of its own."""
    beside, hours = config.eval.beside, dict[str, float]()
    for key, work in left.items():
        hours[key] = work.cost.device_hours if work.cost else 0.0
    training = machine_of(config.engine, beside).ranks
    together = clock_hours(to_do, hours, training, beside)
    alone = clock_hours(to_do, hours, machine_of(config.engine, 0).ranks, 0)
    return (
        f"on the clock {together:.3g} hours, training on {training} of the ranks and scoring "
        f"beside it on {beside}; without eval.beside {alone:.3g}"
    )


def print_total(jobs: int, left: dict[str, Left]) -> None:
    """The sum over a sweep, what its jobs share counted once."""
    costs = [work for work in left.values() if work.cost is not None]
    told = f"; {_spent(costs)}" if costs else ""
    say(f"{jobs} jobs, {len(left)} nodes to do (shared ones once): {_asked(left.values())}{told}")


def _counted(
    config: HarnessConfig, store: Store, plan: Plan, to_do: list[Work], told: set[str]
) -> TokenCounts:
    missing = _missing_input(config, to_do)
    if missing and missing not in told:
        told.add(missing)
        say(missing)
    if missing and _no_tokenizer(config):
        return estimated_counts(config, plan)
    check_demonstrations(config, store, plan)
    return training_counts(config, store, plan)


def _missing_input(config: HarnessConfig, to_do: list[Work]) -> str:
    """What has to be fetched first, as a line or two; empty where all is there."""
    lines = [f"to fetch before this can run: {told}" for told in input_mistakes(config, to_do)]
    if lines and _no_tokenizer(config):
        lines.append("without its tokenizer, tokens are estimated: one every three bytes")
    return "\n".join(lines)


def _no_tokenizer(config: HarnessConfig) -> bool:
    return is_hub(config.model) and bool(missing_files(config.model))


def _asked(left: Iterable[Left]) -> str:
    works = list(left)
    tokens = sum(work.tokens for work in works)
    generations = sum(work.generations for work in works)
    return f"{tokens:,} tokens to train, {generations:,} generations to make"


def _spent(left: Iterable[Left]) -> str:
    costs = [work.cost for work in left if work.cost is not None]
    training = sum(cost.training_hours for cost in costs)
    reading = sum(cost.reading_hours for cost in costs)
    generation = sum(cost.generation_hours for cost in costs)
    disk = sum(cost.disk_bytes for cost in costs)
    beside = max((cost.beside_bytes for cost in costs), default=0.0)
    return (
        f"{training:.3g} device hours to train, {reading:.3g} to read what is scored (a token "
        f"every {BYTES_A_TOKEN} bytes), {generation:.3g} to generate answers of full length, "
        f"{disk / 1e9:.3g} GB of stages, and beside one under way {beside / 1e9:.3g} GB of "
        "checkpoints (not counted: what a method adds and keeps, lm-eval's own tasks, the "
        "validation of edits, a local judge)"
    )


def _left(
    node: Work, needed: Size, config: HarnessConfig, pace: Throughput, disk: DiskNeeds
) -> Left:
    """What a node asks for. Of a small model arithmetic tells no time, what was measured does."""
    generations = needed.amount if needed.generated else 0
    weights = weight_count(config.model)
    if weights is None or (weights < SMALLEST_ESTIMATED and not pace.seen):
        return Left(needed.trained, generations, None)
    cost = estimate(
        weights,
        config.engine,
        trained_tokens=needed.trained,
        read_tokens=needed.read,
        generated_tokens=needed.generated,
        passes=needed.passes,
    )
    written = disk.of(node)
    beside = written.most - written.stays
    cost = replace(cost, disk_bytes=written.stays, beside_bytes=beside)
    return Left(needed.trained, generations, pace.corrected(cost, node.label))
