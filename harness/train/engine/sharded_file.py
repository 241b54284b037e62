"""Per-weight quantities on disk: whole tensors under the parameters' names, whatever the ranks."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.models.weights.headers import TensorSpec, read_specs
from harness.train.engine.view import Sharded, View
from harness.train.engine.written import write_together

if TYPE_CHECKING:
    from torch import Tensor


State = Mapping[str, "Tensor | Sharded"]


def save_state(path: Path, state: State, view: View) -> None:
    """Collective. Write tensors and sharded quantities as one safetensors file.

    A tensor (the same on every rank) keeps its name; a sharded quantity `f` becomes `f/<parameter>`
    for every trained parameter, in fp32 and whole. One whole parameter is in memory at a time.
    Raises DataError on all ranks where the first one cannot write.
    """
    places = _places(state, view)
    specs = {key: _spec(state[name], parameter, view) for key, (name, parameter) in places.items()}

    def whole(key: str) -> "Tensor":
        name, parameter = places[key]
        return state[name] if parameter is None else view.gather(parameter, state[name])

    write_together(path, specs, whole, view.rank)


def _places(state: State, view: View) -> dict[str, tuple[str, str | None]]:
    """Key in the file -> name of the tensor, or name of the sharded quantity and parameter."""
    return {
        (name if parameter is None else f"{name}/{parameter}"): (name, parameter)
        for name, value in state.items()
        for parameter in (view.shapes if isinstance(value, dict) else [None])
    }


def _spec(value: Any, parameter: str | None, view: View) -> TensorSpec:
    from harness.models.weights.tensor_file import spec_of

    return spec_of(value) if parameter is None else TensorSpec("F32", tuple(view.shapes[parameter]))


class SavedState:
    """What `save_state` wrote, read piece by piece; empty where there is no file."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    def tensor(self, name: str) -> "Tensor":
        """One whole tensor; KeyError where it was not saved."""
        from harness.models.weights.tensor_file import read_tensor

        if self._path is None or name not in read_specs(self._path):
            raise KeyError(name)
        return read_tensor(self._path, name)

    def sharded(self, name: str, view: View) -> Sharded | None:
        """This rank's pieces of a sharded quantity, on its device; None where it was not saved."""
        from harness.models.weights.stored import flat_piece
        from harness.models.weights.tensor_file import opened

        names = read_specs(self._path) if self._path is not None else ()
        if not any(key.startswith(f"{name}/") for key in names):
            return None
        with opened(self._path) as file:
            return {
                shard.name: flat_piece(
                    file, f"{name}/{shard.name}", tuple(shard.shape), shard.start, shard.stop
                ).to(view.device)
                for shard in view.shards()
            }
