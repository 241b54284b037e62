"""`harness store du`: what a store takes."""

from argparse import Namespace

from harness.cli.arguments import Arguments
from harness.cli.columns import aligned
from harness.cli.say import say
from harness.config import StoreConfig
from harness.run.stored.clean import unused_nodes, weights_to_drop
from harness.run.stored.runs import stored_runs
from harness.store.contents import bytes_by_sort, size, stored_nodes
from harness.store.store import Store

DESCRIPTION = """\
The bytes of a store by sort, and what `harness store clean` would free of it. Files that two stores
share (`harness store move --from`) count in both. Writes nothing."""


def arguments(parser: Arguments) -> None:
    """None beside --store."""


def work(store: Store, options: Namespace) -> int:
    """Print the sums; returns 0."""
    nodes, runs = stored_nodes(store.root), stored_runs(store)
    sums = bytes_by_sort(store.root, nodes)
    rows = [(sort, size(count)) for sort, count in sums.items()]
    say(aligned([*rows, ("in all", size(sum(sums.values())))], frozenset({1})))
    ends = weights_to_drop(store, runs, "ends", StoreConfig.forget_days)
    unused = sum(nodes[name].bytes for name in unused_nodes(store, runs))
    say(f"`clean --keep ends` would free {size(ends.bytes)}")
    say(f"`clean --unused` would free {size(unused)}")
    say(*runs.damaged)
    return 0
