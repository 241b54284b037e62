"""GEM's projection beside that of another package, where it is installed (avalanche-lib).

Its quadratic program (arXiv 1706.08840, eq. 11) has 1e-3 added to the diagonal of GG', and asks for
v >= memory strength, where ours adds the strength to the solution v >= 0, as the paper says. With
the same diagonal both projections are one at strength 0. A strength that v exceeds anyway does
nothing there and moves ours, by itself times the sum of the memories' gradients.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch

from harness.methods.gem import dual

pytestmark = pytest.mark.peer
RIDGE = 1e-3
IMPORTED = (".models", ".training", ".training.plugins", ".training.plugins.strategy_plugin")


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch):
    """(memory gradients [t, n], gradient [n], strength) -> projected gradient [n]. Of the package
    only the module is run: what it imports for images is no part of a projection."""
    found = importlib.util.find_spec("avalanche")
    file = Path(found.submodule_search_locations[0], "training/plugins/gem.py") if found else None
    if file is None or not file.is_file():
        pytest.skip("avalanche-lib is not installed")
    pytest.importorskip("qpsolvers")
    pytest.importorskip("quadprog")
    stands_in = {name: ModuleType(f"avalanche{name}") for name in ("", *IMPORTED)}
    stands_in[".models"].avalanche_forward = None
    stands_in[".training.plugins.strategy_plugin"].SupervisedPlugin = object
    for name, module in stands_in.items():
        monkeypatch.setitem(sys.modules, f"avalanche{name}", module)
    spec = importlib.util.spec_from_file_location("their_gem", file)
    gem = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gem)

    def project(memories: torch.Tensor, gradient: torch.Tensor, strength: float) -> torch.Tensor:
        plugin = SimpleNamespace(G=memories, memory_strength=strength)
        return gem.GEMPlugin.solve_quadprog(plugin, gradient)

    return project


def ours(memories: torch.Tensor, gradient: torch.Tensor) -> tuple[torch.Tensor, list[float]]:
    """The projected gradient at margin 0, and v."""
    gram = memories @ memories.T + RIDGE * torch.eye(len(memories)).double()
    v = dual(gram.tolist(), (memories @ gradient).tolist())
    return gradient + torch.tensor(v).double() @ memories, v


def drawn(seed: int, tasks: int, opposed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    source = torch.Generator().manual_seed(seed)
    memories = torch.randn(tasks, 12, generator=source).double()
    return memories, (torch.randn(12, generator=source) - 2 * memories[:opposed].sum(0)).double()


@pytest.mark.parametrize("tasks", [1, 2, 5])
@pytest.mark.parametrize("seed", range(4))
def test_the_projection_is_the_same_without_a_margin(seed: int, tasks: int, theirs) -> None:
    memories, gradient = drawn(seed, tasks)
    assert (memories @ gradient).min() < 0
    found, _ = ours(memories, gradient)
    assert torch.allclose(found.float(), theirs(memories, gradient, 0.0), atol=1e-6)


def test_a_strength_that_the_solution_exceeds_changes_nothing_there(theirs) -> None:
    memories, gradient = drawn(0, 2, opposed=2)
    found, v = ours(memories, gradient)
    assert min(v) > 0.1
    assert torch.allclose(found.float(), theirs(memories, gradient, 0.1), atol=1e-6)
