"""The headers of safetensors files, read and made; no torch.

Format: 8 bytes of header length (little endian), a JSON header with type, shape and place of every
tensor, the tensors' bytes without holes.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError

FLOATS = ("F64", "F32", "BF16", "F16")
ELEMENT_BYTES = {
    "F64": 8,
    "I64": 8,
    "F32": 4,
    "I32": 4,
    "BF16": 2,
    "F16": 2,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}


@dataclass(frozen=True)
class TensorSpec:
    """Stored type (safetensors' name of it, as 'BF16') and shape of a tensor."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def floating(self) -> bool:
        """True for weights, False for integer and boolean buffers."""
        return self.dtype in FLOATS

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes of the stored tensor."""
        return self.size * ELEMENT_BYTES[self.dtype]


def read_specs(path: Path) -> dict[str, TensorSpec]:
    """Types and shapes of the tensors of a safetensors file, by name; reads its header only.
    Raises DataError for anything else, and for a file that is cut off."""
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(min(length, path.stat().st_size)))
        header.pop("__metadata__", None)
        needed = 8 + length + max((told["data_offsets"][1] for told in header.values()), default=0)
        specs = {
            name: TensorSpec(header[name]["dtype"], tuple(header[name]["shape"]))
            for name in sorted(header)
        }
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise DataError(f"{path} is not a safetensors file") from error
    held = path.stat().st_size
    if held < needed:
        raise DataError(f"{path} is cut off: it holds {held:,} of {needed:,} bytes")
    return specs


def header_bytes(specs: dict[str, TensorSpec]) -> bytes:
    """What stands before the tensors, whose bytes follow in the order of `specs`."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, spec in specs.items():
        start, end = end, end + spec.bytes
        header[name] = {
            "dtype": spec.dtype,
            "shape": list(spec.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def weight_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor in a folder's safetensors files; empty where there are none.
    Raises DataError for anything else under that name."""
    files = sorted(folder.glob("*.safetensors"))
    return {name: spec.shape for path in files for name, spec in read_specs(path).items()}


def stored_weights(place: Path) -> int:
    """Number of values in a safetensors file, or in all of a folder."""
    shapes = (
        weight_shapes(place).values()
        if place.is_dir()
        else [spec.shape for spec in read_specs(place).values()]
    )
    return sum(math.prod(shape) for shape in shapes)
