"""What safetensors files hold, by their headers alone; no torch."""

import json
import math
from pathlib import Path

from harness.errors import DataError


def weight_shapes(folder: Path) -> dict[str, list[int]]:
    """Name -> shape of every tensor in a folder's safetensors files; empty where there are none.
    Raises DataError for a file that is none."""
    found: dict[str, list[int]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= _shapes(path)
    return found


def stored_weights(place: Path) -> int:
    """Number of values in a safetensors file, or in all of a folder."""
    shapes = weight_shapes(place) if place.is_dir() else _shapes(place)
    return sum(math.prod(shape) for shape in shapes.values())


def _shapes(path: Path) -> dict[str, list[int]]:
    try:
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(min(size, path.stat().st_size)))
        specs = {name: spec for name, spec in header.items() if name != "__metadata__"}
        needed = 8 + size + max((spec["data_offsets"][1] for spec in specs.values()), default=0)
        if path.stat().st_size < needed:
            held = path.stat().st_size
            raise DataError(f"{path} is cut off: it holds {held:,} of {needed:,} bytes")
        return {name: spec["shape"] for name, spec in specs.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path} is not a safetensors file") from error
