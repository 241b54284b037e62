"""`harness store ls`: runs, or nodes."""

from argparse import Namespace
from collections.abc import Collection

from harness.cli.arguments import Arguments
from harness.cli.columns import aligned, date
from harness.cli.say import say
from harness.run.stored.runs import StoredRun, StoredRuns, stored_runs
from harness.store.contents import Name, StoredNode, size, stored_nodes
from harness.store.store import Store

DESCRIPTION = """\
List the runs of a store: stages and scores that are there of all, the size of all that a run uses
(what several share counts for each), when somebody last worked on it. --nodes lists the nodes, with
the runs that use each; `unused` are those that no run of the store makes or reads."""
_RUNS = ("run", "method", "sequence", "seed", "stages", "scores", "size", "last used")
_NODES = ("kind", "key", "size", "finished", "used by")
SHOWN = 12  # characters of a run's name in a list of several


def arguments(parser: Arguments) -> None:
    """Options beside --store."""
    parser.add_argument("--nodes", action="store_true", help="list nodes instead of runs")


def work(store: Store, options: Namespace) -> int:
    """Print the list; returns 0."""
    runs, nodes = stored_runs(store), stored_nodes(store.root)
    if options.nodes:
        _print_nodes(runs, nodes)
    else:
        rows = [_row(run, nodes) for run in runs.runs.values()]
        say(aligned([_RUNS, *rows], frozenset({3, 4, 5, 6})))
    say(*runs.damaged)
    return 0


def _row(run: StoredRun, nodes: dict[Name, StoredNode]) -> tuple[str, ...]:
    total = sum(nodes[name].bytes for name in run.uses if name in nodes)
    return (run.run, *columns(run), *progress(run, nodes), size(total), date(run.used))


def columns(run: StoredRun) -> tuple[str, str, str]:
    """Method, sequence and seed of a run; dashes where it has not started."""
    if run.about is None:
        return "-", "-", "-"
    return run.about["method"], run.about["sequence"], str(run.about["seed"])


def progress(run: StoredRun, there: Collection[Name]) -> tuple[str, str]:
    """Stages and scores that are there, of all."""
    stages = [models for stage, models in run.models.items() if stage]
    made = sum(all(name in there for name in models) for models in stages)
    scores = sum(name in there for name in run.scored)
    return f"{made}/{len(stages)}", f"{scores}/{len(run.scored)}"


def _print_nodes(runs: StoredRuns, nodes: dict[Name, StoredNode]) -> None:
    users = runs.users()
    rows = [
        (*name, size(node.bytes), date(node.finished), _users(users.get(name, [])))
        for name, node in sorted(nodes.items())
    ]
    say(aligned([_NODES, *rows], frozenset({2})))
    unused = [node for name, node in nodes.items() if name not in users]
    say(f"{len(nodes)} nodes, unused: {len(unused)} ({size(sum(n.bytes for n in unused))})")


def _users(runs: list[StoredRun]) -> str:
    return " ".join(run.run[:SHOWN] for run in runs) or "unused"
