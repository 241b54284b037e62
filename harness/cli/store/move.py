"""`harness store move`: a store in another place, or two stores in one."""

from argparse import Namespace
from pathlib import Path

from harness.cli.arguments import Arguments
from harness.run.stored.move import join, move
from harness.store.store import Store

DESCRIPTION = """\
Have the store be the folder TARGET; its runs go on with store.root=TARGET. With --from, TARGET is a
store (or is made one) that gets what OTHER has and it lacks: nodes, runs, logs. What is there is
left, OTHER stays as it is. Files are shared (hard links) where the file system can do that, else
copied; every node appears whole."""


def arguments(parser: Arguments) -> None:
    """Options beside --store."""
    parser.add_argument("target", type=Path, metavar="TARGET", help="the folder")
    parser.add_argument("--from", dest="other", type=Path, metavar="OTHER", help="a store to join")


def work(store: Store, options: Namespace) -> int:
    """Move or join, and say what was done; returns 0."""
    target: Path = options.target
    if options.other is None:
        mended = move(store, target)
        told = f"; {mended} nodes name it instead of {store.root}" if mended else ""
        print(f"{store.root} is {target.absolute()} now{told}")
        return 0
    done = join(Store(target), store)
    print(
        f"{target}: {done.nodes} nodes came from {options.other} ({done.linked} files linked, "
        f"{done.copied} copied), {done.there} were there"
    )
    if done.broken:
        told = f"`python -m harness store verify --store {options.other}` says how"
        print(f"{done.broken} nodes there are broken and did not come; {told}")
    return 0
