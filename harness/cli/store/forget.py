"""`harness store forget`: let nothing stay for a run that is not finished, or have a stage that
diverged tried again."""

from argparse import Namespace

from harness.cli.arguments import Arguments
from harness.cli.say import say
from harness.cli.store.unfinished import add_days, require_days
from harness.errors import ConfigError, require, suggest
from harness.run.readers import forget, require_unfinished, unfinished_runs
from harness.run.retention import drop_all, weights
from harness.run.stored.runs import find_run, stored_runs
from harness.store.broken import all_broken, forget_broken
from harness.store.contents import Name
from harness.store.folders import require_writable
from harness.store.status import Status
from harness.store.store import Store

DESCRIPTION = """\
Have unfinished runs hold nothing any more: their scores stay, and what they need is trained again
if they ever go on. With --diverged, let a stage that diverged be trained once more."""


def arguments(parser: Arguments) -> None:
    """Options beside --store."""
    told = "let these go (the beginning of a name is enough)"
    parser.add_argument("runs", nargs="*", metavar="RUN", help=told)
    told = "drop the weights that no other run has made or read as well"
    parser.add_argument("--weights", action="store_true", help=told)
    told = "forget that a stage has diverged (as a run names it), so that it is trained once more"
    parser.add_argument("--diverged", action="append", default=[], metavar="KEY", help=told)
    add_days(parser)


def work(store: Store, options: Namespace) -> int:
    """Forget all of them or none; returns 0."""
    told = "the following arguments are required: RUN, or --diverged KEY"
    require(bool(options.runs or options.diverged), told)
    require_days(options)
    require_writable(store.root, "--store")
    known = {*stored_runs(store).runs, *(run.run for run in unfinished_runs(store))}
    runs = [find_run(known, word) for word in options.runs]
    for run in runs:
        require_unfinished(store, run)  # all of them, before the first goes
    stages = [_diverged(store, word) for word in options.diverged]
    for run in runs:
        _forget(store, run, options)
    for name, told in stages:
        forget_broken(store, name)
        say(f"{name[1]}: forgotten that {told}")
    store.hashes.save()
    return 0


def _diverged(store: Store, word: str) -> tuple[Name, str]:
    """The stage of a key, or of the beginning of one, and how it ended. Raises ConfigError where it
    is none that diverged, or not one alone."""
    every = {key: (kind, how) for (kind, key), how in all_broken(store).items()}
    known = {key: told for key, told in every.items() if told[1].status is Status.diverged}
    found = [key for key in known if word and key.startswith(word)]
    if len(found) != 1:
        many = f"{len(found)} stages" if found else "no stage"
        near = "" if found or not known else suggest(word, list(known))
        told = f"{many} of {store.root} that diverged is called so{near}"
        raise ConfigError(f"--diverged {word}: {told}")
    kind, how = known[found[0]]
    return (kind, found[0]), how.told


def _forget(store: Store, run: str, options: Namespace) -> None:
    alone = forget(store, run)
    there = {name: sum(path.stat().st_size for path in weights(store, name)) for name in alone}
    found = {name: size for name, size in sorted(there.items()) if size}
    if options.weights:
        gone = drop_all(store, list(found), options.days)
        freed = sum(found[name] for name in gone) / 1e9
        say(
            f"{run}: forgotten; dropped {len(gone)} stages that no other run knows ({freed:.2f} GB)"
        )
        return
    size = sum(found.values()) / 1e9
    say(f"{run}: forgotten; stages of no other run: {len(found)} ({size:.2f} GB; see --weights)")
