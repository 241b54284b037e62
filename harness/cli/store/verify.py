"""`harness store verify`: is what a store holds what was written?"""

from argparse import Namespace

from harness.cli.arguments import Arguments
from harness.cli.say import say
from harness.run.stored.runs import StoredRuns, find_run, stored_runs
from harness.run.stored.verify import Checked, Fault, faults, remove
from harness.store.contents import Name, present, size
from harness.store.folders import require_writable
from harness.store.store import Store

DESCRIPTION = """\
Read every file of a store's nodes once and compare it with size and sha256 in the manifest: one
that is cut off, changed or missing is named with its node and the runs that use it. A manifest has
no checksum; it must name its own place, and tell an identity with the node's key. Not in manifests,
so not checked: optimizer states, notes of dropped weights, caches, logs. The exit code is 1 if
something is wrong. --remove looks once more at the nodes that are, and drops those that still are,
so that the next run that needs them makes them again; never one of which a file is there and cannot
be read."""


def arguments(parser: Arguments) -> None:
    """Options beside --store."""
    told = "only what these runs use (the beginning of a name is enough); all nodes without"
    parser.add_argument("runs", nargs="*", metavar="RUN", help=told)
    parser.add_argument("--remove", action="store_true", help="drop nodes that are broken")


def work(store: Store, options: Namespace) -> int:
    """Print a line for each fault; returns 1 if there is any."""
    runs = stored_runs(store)
    if options.remove:
        require_writable(store.root, "--remove")
    checked, found = Checked(), list[Fault]()
    users = runs.users()
    for fault in faults(store, sorted(_names(store, runs, options.runs)), checked):
        found.append(fault)
        named = ", ".join(f"{run.run} ({run.name})" for run in users.get(fault.name, []))
        say(f"{fault.line}; used by {named or 'no run'}")
    say(*runs.damaged)
    broken = sorted({fault.name for fault in found})
    say(
        f"{checked.nodes} nodes, {checked.files} files, {size(checked.bytes)}: "
        + (f"{len(broken)} nodes are broken" if broken else "all as they were written")
    )
    if options.remove and broken:
        _remove(store, found)
    return int(bool(found or runs.damaged))


def _names(store: Store, runs: StoredRuns, words: list[str]) -> set[Name]:
    there = present(store.root)
    if not words:
        return there
    asked = [runs.runs[find_run(runs.runs, word)] for word in words]
    return {name for run in asked for name in run.uses if name in there}


def _remove(store: Store, found: list[Fault]) -> None:
    gone, held = remove(store, found)
    say(f"removed {len(gone)} nodes; the next run that needs them makes them again")
    for name in held:
        say(f"left {'/'.join(name)}, as {store.holder(*name)} works on it")
    for name in sorted({fault.name for fault in found if fault.unread}):
        say(f"left {'/'.join(name)}, as what cannot be read may be whole")
