"""The plan of the house: small modules in few rooms, and light processes stay light.

Who may import whom is `make lint`'s (pyproject.toml, tool.importlinter).
"""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "harness"
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = ("torch", "transformers", "pandas", "deepspeed", "lm_eval", "datasets")
PARENT = ("cli", "plan", "results", "config", "store", "errors", "run.parent", "run.launch")
RANK = ("run.rank", "run.check", "train")

# Imports each module in turn and tells which forbidden ones came with it.
PROBE = """
import importlib, json, sys
names, forbidden = json.loads(sys.argv[1])
found = {}
for name in names:
    before = set(sys.modules)
    importlib.import_module(name)
    found[name] = [word for word in forbidden if word in sys.modules and word not in before]
print(json.dumps(found))
"""


def dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def inside(rooms: tuple[str, ...]) -> list[str]:
    tops = [f"harness.{room}" for room in rooms]
    names = [dotted(path) for path in MODULES]
    return [n for n in names if any(n == top or n.startswith(f"{top}.") for top in tops)]


def imported_with(names: list[str], forbidden: tuple[str, ...]) -> dict[str, list[str]]:
    """Module -> which of the forbidden ones its import loads first, in one fresh interpreter."""
    request = json.dumps([names, forbidden])
    command = [sys.executable, "-c", PROBE, request]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def loaded_by_parent() -> dict[str, list[str]]:
    return imported_with(inside(PARENT), HEAVY)


@pytest.fixture(scope="module")
def loaded_by_rank() -> dict[str, list[str]]:
    return imported_with(inside(RANK), ("hydra",))


@pytest.mark.parametrize("module", inside(PARENT))
def test_the_parent_is_light(module: str, loaded_by_parent: dict[str, list[str]]) -> None:
    assert loaded_by_parent[module] == []


@pytest.mark.parametrize("module", inside(RANK))
def test_a_rank_knows_no_hydra(module: str, loaded_by_rank: dict[str, list[str]]) -> None:
    assert loaded_by_rank[module] == []


def test_few_loose_modules() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 4


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_modules_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions if f.end_lineno - f.lineno >= 60}
    assert long == {}
