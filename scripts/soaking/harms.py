"""Files of a store that are changed behind everybody's back, as disks and people do."""

import os
from pathlib import Path
from random import Random

from harness.store.layout import PARTIAL
from soaking.blows import Blow, Happened, Kind, Who
from soaking.places import Place
from soaking.site import Site, happened
from soaking.watching import nodes

OF_NODES = (Kind.flipped_node, Kind.cut_node)
HARMS = (*OF_NODES, Kind.flipped_checkpoint, Kind.cut_checkpoint)


def harm(kind: Kind, site: Site, source: Random) -> Happened | None:
    """Change a file, while no command runs. None where there is none of that kind."""
    file = _some_file(kind, site.store, source)
    if file is None:
        return None
    if kind in (Kind.cut_node, Kind.cut_checkpoint):
        told = cut(file)
    else:
        # A checkpoint is read whole before it is used; a node is, where its time has changed.
        told = flip(file, source.randrange(8 * file.stat().st_size), kind not in OF_NODES)
    blow = Blow(kind, Place.elsewhere, 1, 0, Who.every, 0, other=False)
    return happened(blow, "a file", f"{site.within(str(file))}: {told}")


def _some_file(kind: Kind, store: Path, source: Random) -> Path | None:
    kept = (store / PARTIAL).glob("train/*/step-*")
    folders = sorted(nodes(store) if kind in OF_NODES else kept)
    if not folders:
        return None
    folder = source.choice(folders)
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.stat().st_size)
    return source.choice(files) if files else None


def flip(file: Path, bit: int, quietly: bool) -> str:
    """Turn one bit around. quietly: the file keeps its time."""
    status = file.stat()
    with file.open("r+b") as stream:
        stream.seek(bit // 8)
        byte = stream.read(1)[0]
        stream.seek(bit // 8)
        stream.write(bytes([byte ^ 1 << bit % 8]))
    if quietly:
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    return f"bit {bit}"


def cut(file: Path) -> str:
    """Take away its second half."""
    size = file.stat().st_size
    os.truncate(file, size // 2)
    return f"{size // 2} of {size} bytes left"
