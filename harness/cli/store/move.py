"""`harness store move`: a store in another place, or two stores in one."""

from argparse import Namespace
from pathlib import Path

from harness.cli.arguments import Arguments
from harness.cli.say import say
from harness.errors import require
from harness.run.stored.move import is_store, join, mend, move
from harness.store.store import Store

DESCRIPTION = """\
Have the store be the folder TARGET, which is not there, on the same file system; its runs go on
with store.root=TARGET. With --from, TARGET, on any file system, is a store (or is made one) that
gets what OTHER has and it lacks: runs, logs, nodes. What is there is left, OTHER stays as it is.
Files are shared (hard links) where the file system can do that, else copied; every node appears
whole."""


def arguments(parser: Arguments) -> None:
    """Options beside --store."""
    parser.add_argument("target", type=Path, metavar="TARGET", help="the folder")
    parser.add_argument("--from", dest="other", type=Path, metavar="OTHER", help="a store to join")


def place(options: Namespace) -> tuple[Path, str]:
    """The store to open: the one that is read, or where a move broke off the one that moved."""
    if options.other is not None:
        return options.other, "--from"
    moved = not options.store.exists() and is_store(options.target)
    return (options.target, "TARGET") if moved else (options.store, "--store")


def work(store: Store, options: Namespace) -> int:
    """Move or join, and say what was done; returns 0."""
    target: Path = options.target
    if options.other is None:
        root: Path = options.store.absolute()
        if root.exists():
            mended = move(store, target)
        else:
            mended = mend(store, root)
            require(
                mended > 0, f"--store: there is no folder {root}, and nothing in {target} names it"
            )
        told = f"; {mended} nodes name it instead of {root}" if mended else ""
        say(f"{root} is {target.absolute()} now{told}")
        return 0
    done = join(Store(target), store)
    say(
        f"{target}: {done.nodes} nodes came from {options.other} ({done.linked} files linked, "
        f"{done.copied} copied), {done.there} were there"
    )
    if done.broken:
        told = f"`python -m harness store verify --store {options.other}` says how"
        say(f"{done.broken} nodes there are broken and did not come; {told}")
    return 0
