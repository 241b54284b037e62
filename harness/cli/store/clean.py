"""`harness store clean`: free what nobody needs."""

import re
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Callable

from harness.cli.arguments import Arguments
from harness.cli.say import say
from harness.config import StoreConfig
from harness.errors import ConfigError, DataError, HarnessError, require
from harness.plan.checks.keep import WORDS
from harness.run.stored.clean import (
    Keep,
    drop_weights,
    remove_unused,
    unused_nodes,
    weights_to_drop,
)
from harness.run.stored.runs import StoredRuns, stored_runs
from harness.store.abandoned import sweep_abandoned
from harness.store.contents import Name, size, stored_nodes
from harness.store.folders import require_writable
from harness.store.store import Store

DESCRIPTION = """\
Remove what dead processes left and partial work that nobody goes on with (answers of scoring,
checkpoints of training); with --keep also weights, with --unused also whole nodes. What a run with
work to do reads stays, and so does what a process works on, which is said in a line; where a file
about a run cannot be read, all weights and nodes do. What fails does not keep the rest from being
cleaned; the exit code is 1 then."""


def arguments(parser: Arguments) -> None:
    """Options beside --store."""
    told = (
        "drop weights but those of these stages of every run, as store.keep: all, ends, none, 2,4"
    )
    parser.add_argument("--keep", type=_keep, metavar="STAGES", help=told)
    parser.add_argument("--unused", action="store_true", help="remove nodes that no run uses")
    days = StoreConfig.forget_days
    told = f"as store.forget_days: runs that nobody worked on for so long hold nothing ({days:g})"
    parser.add_argument("--days", type=float, default=days, help=told)
    parser.add_argument("--dry-run", action="store_true", help="write nothing, say what would go")


def work(store: Store, options: Namespace) -> int:
    """Do it, a line for each sort of thing; returns 0, or 1 where one of them failed."""
    require(options.days > 0, f"--days={options.days:g}: it must be a positive number")
    if not options.dry_run:
        require_writable(store.root, "--store")
    kinds = [_leftovers, _abandoned]  # which may free what the others need to work
    kinds += [_weights] if options.keep is not None else []
    kinds += [_unused] if options.unused else []
    failed = [kind for kind in kinds if not _done(kind, store, options)]
    return int(bool(failed))


def _done(kind: Callable[[Store, Namespace], None], store: Store, options: Namespace) -> bool:
    """Clean one kind of thing; what keeps it from that is told, and does not keep the others."""
    try:
        kind(store, options)
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        told = f"{error.filename or store.root}: {error.strerror or error}"
        print(f"error: {told}", file=sys.stderr)
    else:
        return True
    return False


def _runs(store: Store, what: str) -> StoredRuns:
    """The runs of the store. Raises DataError where files about some cannot be read."""
    runs = stored_runs(store)
    if runs.damaged:
        raise DataError("; ".join([*runs.damaged, f"left all {what}, as a run may want them"]))
    return runs


def _weights(store: Store, options: Namespace) -> None:
    runs = _runs(store, "weights")
    found = weights_to_drop(store, runs, options.keep, options.days)
    if not options.dry_run:
        found = drop_weights(store, found, options.days)
    verb, count = _did("dropped", options.dry_run), len(found.names)
    say(f"{verb} weights of {count} models: {size(found.bytes)}")
    if found.wanted:
        say(
            f"left weights of {len(found.wanted)} models, which unfinished runs read; "
            "`python -m harness store unfinished` names them"
        )
    _print_held(store, found.held)


def _unused(store: Store, options: Namespace) -> None:
    names, nodes = unused_nodes(store, _runs(store, "unused nodes")), stored_nodes(store.root)
    held = [name for name in names if store.busy(*name)]
    gone = [name for name in names if name not in set(held)]
    if not options.dry_run:
        gone, held = remove_unused(store, names)
    freed = sum(nodes[name].bytes for name in gone if name in nodes)
    say(f"{_did('removed', options.dry_run)} {len(gone)} nodes that no run uses: {size(freed)}")
    _print_held(store, held)


def _leftovers(store: Store, options: Namespace) -> None:
    if not options.dry_run:
        store.sweep_leftovers()


def _abandoned(store: Store, options: Namespace) -> None:
    swept = sweep_abandoned(store, options.days, dry_run=options.dry_run)
    say(
        f"{_did('removed', options.dry_run)} partial work of {swept.works} nodes that nobody goes "
        f"on with: {size(swept.bytes)}"
    )


def _print_held(store: Store, names: list[Name]) -> None:
    for holder, count in Counter(store.holder(*name) for name in names).items():
        say(f"left {count} nodes, as {holder} works on them")


def _did(verb: str, dry_run: bool) -> str:
    infinitive = {"dropped": "drop", "removed": "remove"}[verb]
    return f"would {infinitive}" if dry_run else verb


def _keep(text: str) -> Keep:
    if text in WORDS:
        return text
    if not re.fullmatch(r"\[?\s*\d+(\s*,\s*\d+)*\s*\]?", text):
        raise ConfigError(f"--keep={text}: use {', '.join(WORDS)}, or stages as in 2,4")
    return [int(number) for number in re.findall(r"\d+", text)]
