"""Our safetensors files and the library's are the same to a reader, and wrong files are named."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from harness.errors import DataError
from harness.models.weights.headers import TensorSpec, read_specs, stored_weights, weight_shapes
from harness.models.weights.tensor_file import (
    TORCH_TYPES,
    read_tensor,
    spec_of,
    write_order,
    write_tensors,
)


def tensors() -> dict[str, torch.Tensor]:
    """One of every type, of odd sizes, a scalar, an empty one, one with a gradient, a transposed
    one."""
    made = {
        name: torch.arange(7).to(kind) if kind is not torch.bool else torch.arange(7) % 2 == 0
        for name, kind in TORCH_TYPES.items()
    }
    made |= {"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3)}
    made |= {"trained": torch.ones(2, 2, requires_grad=True), "turned": torch.rand(3, 5).T}
    return made


def written(path: Path, made: dict[str, torch.Tensor]) -> list[str]:
    """Write the tensors; the names in the order in which they were asked for."""
    asked: list[str] = []

    def give(name: str) -> torch.Tensor:
        asked.append(name)
        return made[name]

    write_tensors(path, {name: spec_of(value) for name, value in made.items()}, give)
    return asked


def test_the_library_reads_what_is_written(tmp_path: Path) -> None:
    made, path = tensors(), tmp_path / "x.safetensors"
    asked = written(path, made)
    found = load_file(path)
    assert set(found) == set(made)
    for name, value in made.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value.detach())
    with safe_open(path, "pt") as stream:
        assert stream.metadata() == {"format": "pt"}
    assert asked == write_order({name: spec_of(value) for name, value in made.items()})


def test_what_the_library_wrote_is_read(tmp_path: Path) -> None:
    made = {name: value.detach().contiguous() for name, value in tensors().items()}
    path = tmp_path / "x.safetensors"
    save_file(made, path)
    assert read_specs(path) == {name: spec_of(value) for name, value in made.items()}
    assert list(read_specs(path)) == sorted(made)
    assert all(torch.equal(read_tensor(path, name), value) for name, value in made.items())
    assert stored_weights(path) == sum(value.numel() for value in made.values())
    assert weight_shapes(tmp_path)["turned"] == (5, 3)


def test_values_are_stored_in_the_type_asked_for(tmp_path: Path) -> None:
    path, value = tmp_path / "x.safetensors", torch.rand(4, 3)
    write_tensors(path, {"w": TensorSpec("BF16", (4, 3))}, lambda name: value)
    assert torch.equal(load_file(path)["w"], value.to(torch.bfloat16))


def test_another_shape_than_announced_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"w: shape \(2,\) instead of \(3,\)"):
        write_tensors(
            tmp_path / "x.safetensors", {"w": TensorSpec("F32", (3,))}, lambda name: torch.ones(2)
        )


def test_wrong_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for content in (b"", b"no header", b"\x02\0\0\0\0\0\0\0[]", b'\x09\0\0\0\0\0\0\0{"w": 12}'):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"x\.safetensors is not a safetensors file"):
            read_specs(path)
    written(path, tensors())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"x\.safetensors is cut off: it holds [\d,]+ of"):
        read_specs(path)
    with pytest.raises(DataError, match=r"nowhere: cannot be read"):
        read_specs(tmp_path / "nowhere")
    with pytest.raises(DataError, match="cannot be read as safetensors"):
        read_tensor(path, "F32")
    with pytest.raises(DataError, match=r"x\.safetensors: cannot be written"):
        written(path / "below" / "x.safetensors", tensors())
