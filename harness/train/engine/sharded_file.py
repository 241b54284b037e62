"""Per-weight quantities on disk: whole tensors under the parameters' names, whatever the ranks."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.train.engine.view import Sharded, View

if TYPE_CHECKING:
    from torch import Tensor


State = Mapping[str, "Tensor | Sharded"]


def save_state(path: Path, state: State, view: View) -> None:
    """Collective. Write tensors and sharded quantities as one safetensors file.

    A tensor (the same on every rank) keeps its name; a sharded quantity `f` becomes `f/<parameter>`
    for every trained parameter, in fp32 and whole. One whole parameter is in memory at a time.
    """
    parts: list[tuple[str, str | None]] = []
    for name, value in state.items():
        inner = view.shapes if isinstance(value, dict) else [None]
        parts += [(name, parameter) for parameter in inner]
    first = view.first_rank
    stream = path.open("wb") if first else None
    if stream:
        stream.write(_header(parts, state, view))
    for name, parameter in parts:
        value = state[name] if parameter is None else view.gather(parameter, state[name])
        if stream:
            stream.write(_bytes(value))
    if stream:
        stream.close()


class SavedState:
    """What `save_state` wrote, read piece by piece; empty where there is no file."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    def tensor(self, name: str) -> "Tensor":
        """One whole tensor; KeyError where it was not saved."""
        with self._open() as file:
            if name not in file.keys():  # noqa: SIM118 (a safetensors handle is not a mapping)
                raise KeyError(name)
            return file.get_tensor(name)

    def sharded(self, name: str, view: View) -> Sharded | None:
        """This rank's pieces of a sharded quantity, on its device; None where it was not saved."""
        if self._path is None:
            return None
        with self._open() as file:
            if not any(key.startswith(f"{name}/") for key in file.keys()):  # noqa: SIM118
                return None
            return {
                shard.name: _piece(file, f"{name}/{shard.name}", shard).to(view.device)
                for shard in view.shards()
            }

    def _open(self) -> Any:
        from safetensors import safe_open

        if self._path is None:
            raise KeyError("nothing was saved")
        return safe_open(self._path, framework="pt")


def _piece(file: Any, key: str, shard: Any) -> Any:
    """Read no more than the rows that the shard touches."""
    rows = file.get_slice(key)[shard.rows.start : shard.rows.stop].reshape(-1)
    offset = shard.rows.start * (shard.shape.numel() // shard.shape[0])
    return rows[shard.start - offset : shard.stop - offset].clone()


def _header(parts: Any, state: State, view: View) -> bytes:
    """safetensors: length of the header, then JSON of name -> dtype, shape, place."""
    described, offset = {}, 0
    for name, parameter in parts:
        shape = list(state[name].shape) if parameter is None else list(view.shapes[parameter])
        dtype = _DTYPES[str(state[name].dtype)] if parameter is None else "F32"
        size = _SIZES[dtype]
        for length in shape:
            size *= length
        key = name if parameter is None else f"{name}/{parameter}"
        described[key] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(described).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _bytes(tensor: Any) -> bytes:
    import torch

    return bytes(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())


_DTYPES = {
    "torch.float32": "F32",
    "torch.float64": "F64",
    "torch.bfloat16": "BF16",
    "torch.int64": "I64",
    "torch.bool": "BOOL",
}
_SIZES = {"F32": 4, "F64": 8, "BF16": 2, "I64": 8, "BOOL": 1}
