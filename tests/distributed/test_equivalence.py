"""The equivalence matrix: every method at every ZeRO stage on 1 and 2 ranks, with and without an
adapter, is a plain PyTorch loop. fp32, tasks of five steps, weights of order 1; the largest
difference allowed is 2e-5. All cells of one number of ranks run in one launch, those of one rank in
two side by side, so that two cores have work.

HARNESS_EQUIVALENCE=<file> writes the measured differences as CSV (`make equivalence`).
"""

import csv
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path

import pytest
from launch import cell, launch, note, why_failed
from matrix import ADAPTERS, MATRIX
from plain import RUNS, Tensors, read
from rows.row import Row
from safetensors.torch import load_file

from harness.config.compose.compose import load
from harness.data.randomness import derive_seed
from harness.errors import ConfigError, HarnessError
from harness.plan.checks.run import validate

TOLERANCE = 2e-5
WORLDS = (1, 2)
COLUMNS = ("method", "adapter", "zero_stage", "ranks", "max_diff", "status")
pytestmark = pytest.mark.distributed


@dataclass(frozen=True)
class Cell:
    """kind: exact (against the reference), identity (against seqft) or bf16 (takes effect)."""

    method: str
    adapter: str
    zero: int
    world: int
    kind: str = "exact"

    def __str__(self) -> str:
        end = "" if self.kind == "exact" else f"-{self.kind}"
        return f"{self.method}-{self.adapter}-zero{self.zero}-{self.world}ranks{end}"

    @property
    def row(self) -> Row:
        return MATRIX[self.method]

    @property
    def overrides(self) -> list[str]:
        extra = self.row.identity if self.kind == "identity" else ()
        precision = ["engine.precision=bf16"] if self.kind == "bf16" else []
        return [*self.row.overrides, *ADAPTERS[self.adapter], *extra, *precision]

    @property
    def seqft(self) -> "Cell":
        """Sequential fine-tuning under the same conditions."""
        kind = "bf16" if self.kind == "bf16" else "exact"
        return Cell(_seqft_of(self.row), self.adapter, self.zero, self.world, kind)


def _seqft_of(row: Row) -> str:
    if row.beside is not None:
        return row.beside
    return next(
        name for name, r in MATRIX.items() if name.startswith("seqft") and r.tasks == row.tasks
    )


EXACT = [
    Cell(name, adapter, zero, world)
    for world in WORLDS
    for name, row in MATRIX.items()
    for adapter in row.adapters
    for zero in row.zero_stages
    if row.has(zero, world)
]
IDENTITY = [
    Cell(name, adapter, 2, 2, "identity")
    for name, row in MATRIX.items()
    if row.identity
    for adapter in row.adapters
]
BF16 = [
    Cell(name, "full", zero, 2, "bf16")
    for name, row in MATRIX.items()
    if row.bf16
    for zero in (1, 2, 3)
]


class Trained:
    """Runs the cells that the selected tests ask for, all of one number of ranks at once."""

    def __init__(self, wanted: list[Cell], places: dict[str, list[str]], out: Path) -> None:
        self._wanted = [*wanted, *(c.seqft for c in wanted)]
        self._places, self._out = places, out
        self._launched: set[int] = set()

    def weights(self, wanted: Cell) -> list[Tensors]:
        """Exported weights after each task; the test fails where the cell did."""
        if wanted.world not in self._launched:
            self._launched.add(wanted.world)
            self._launch(wanted.world)
        folder = self._out / str(wanted)
        if not (folder / "done").exists():
            pytest.fail(f"{wanted}: {why_failed(folder)}")
        numbers = range(1, len(wanted.row.tasks) + 1)
        return [load_file(next((folder / str(n)).glob("*model.safetensors"))) for n in numbers]

    def _launch(self, world: int) -> None:
        plans = []
        for chosen in dict.fromkeys(c for c in self._wanted if c.world == world):
            out = self._out / str(chosen)
            overrides = [*self._places[chosen.row.model], *chosen.overrides]
            try:
                plans.append(cell(overrides, chosen.row.tasks, chosen.zero, out))
            except HarnessError as error:
                note(out, error)
        lanes = {"a": plans[0::2], "b": plans[1::2]} if world == 1 else {"": plans}
        with ThreadPoolExecutor(len(lanes)) as pool:
            begun = [pool.submit(launch, world, lanes[n], self._out, lane=n) for n in lanes]
        for lane in begun:
            lane.result()


@pytest.fixture(scope="module")
def places(tiny_model: Path, tiny_data: Path, tiny_conf: list[str]) -> list[str]:
    return [*tiny_conf, f"model.path={tiny_model}", f"data.root={tiny_data}"]


@pytest.fixture(scope="module")
def models(tiny_model: Path, tiny_t5: Path, tiny_flan: Path) -> dict[str, Path]:
    return {"llama": tiny_model, "t5": tiny_t5, "flan": tiny_flan}


@pytest.fixture(scope="module")
def trained(
    request: pytest.FixtureRequest,
    models: dict[str, Path],
    tiny_data: Path,
    tiny_conf: list[str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    places = {
        name: [*tiny_conf, f"model.path={path}", f"data.root={tiny_data}"]
        for name, path in models.items()
    }
    selected = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    wanted = [params["wanted"] for params in selected if "wanted" in params]
    return Trained(wanted, places, tmp_path_factory.mktemp("cells"))


class References:
    """The plain loops, each run once."""

    def __init__(self, models: dict[str, Path], data: Path) -> None:
        self._models, self._data = models, data
        self.weights = cache(self._weights)

    def _weights(self, method: str, adapter: str) -> list[Tensors]:
        """Weights after each task, under the names of the exported files."""
        row = MATRIX[method]
        stages = [(task, read(self._data, task)) for task in row.tasks]
        make, model = RUNS[row.model], self._models[row.model]
        if adapter == "full":
            return make(model, None).train(stages, row.reference())
        draw = partial(first_a, model)
        after = make(model, draw(1), next_a=draw).train(stages, row.reference())
        return [
            {
                f"base_model.model.{name}.weight" if "lora_" in name else name: value
                for name, value in weights.items()
            }
            for weights in after
        ]


def first_a(model: Path, stage: int) -> Tensors:
    """Initial A of every adapted module, as a stage with seed 0 draws it; B starts at zero."""
    from harness.data.randomness import seed_everything
    from harness.models.adapters.lora import new_adapter
    from harness.models.family import family_of
    from harness.models.loading import load_model

    config = load([*ADAPTERS["lora"], f"model.path={model}"])
    seed_everything(derive_seed("stage", 0, stage))
    base = load_model(config.model, model, "fp32")
    adapted = new_adapter(base, config.method.adapter, family_of(config.model))
    end = ".lora_A.default.weight"
    return {
        name.removeprefix("base_model.model.").removesuffix(end): parameter.detach().clone()
        for name, parameter in adapted.named_parameters()
        if name.endswith(end)
    }


@pytest.fixture(scope="module")
def references(models: dict[str, Path], tiny_data: Path) -> References:
    return References(models, tiny_data)


@pytest.fixture(scope="module")
def table() -> Iterator[list[dict]]:
    """Rows of equivalence.csv."""
    rows: list[dict] = []
    yield rows
    if place := os.environ.get("HARNESS_EQUIVALENCE"):
        with Path(place).open("w", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def difference(left: Tensors, right: Tensors) -> float:
    assert left.keys() == right.keys()
    return max(float((left[name] - right[name]).abs().max()) for name in left)


@pytest.mark.parametrize("wanted", EXACT, ids=str)
def test_equals_plain_pytorch(
    wanted: Cell, trained: Trained, references: References, table: list[dict]
) -> None:
    key = (wanted.method, wanted.adapter, wanted.zero, wanted.world)
    table.append(dict(zip(COLUMNS, (*key, "", "failed"), strict=True)))
    expected = references.weights(wanted.method, wanted.adapter)
    errors = [difference(*pair) for pair in zip(trained.weights(wanted), expected, strict=True)]
    within = max(errors) <= TOLERANCE
    table[-1] |= {"max_diff": f"{max(errors):.1e}", "status": "equal" if within else "different"}
    assert within, f"largest difference after each task: {errors}"


@pytest.mark.parametrize(
    ("method", "adapter"), [(name, a) for name, row in MATRIX.items() for a in row.refused]
)
def test_refused_where_undefined(
    method: str, adapter: str, places: list[str], table: list[dict]
) -> None:
    row = MATRIX[method]
    with pytest.raises(ConfigError, match=row.refused[adapter]):
        validate(load([*places, *row.overrides, *ADAPTERS[adapter]]))
    for zero, world in product(row.zero_stages, WORLDS):
        key = (method, adapter, zero, world, "", "refused")
        table.append(dict(zip(COLUMNS, key, strict=True)))


# What these adapters are compared with has other tensors; `o_lora` is compared with them.
ALONE = ("lora_stack", "lora_merge", "t5_lora_stack", "t5_lora_merge")


@pytest.mark.parametrize(
    ("method", "adapter"),
    [(name, a) for name, row in MATRIX.items() for a in row.adapters if name not in ALONE],
)
def test_reference_differs_from_plain_fine_tuning(
    method: str, adapter: str, references: References
) -> None:
    """So that equality to it is not that of a method that does nothing."""
    last = references.weights(method, adapter)[-1]
    if "seqft" in method:
        other = references.weights(method, adapter)[-2]
    else:
        other = references.weights(_seqft_of(MATRIX[method]), adapter)[-1]
    assert difference(last, other) > 5 * TOLERANCE


@pytest.mark.parametrize("wanted", IDENTITY, ids=str)
def test_identity_setting_is_sequential_fine_tuning(wanted: Cell, trained: Trained) -> None:
    pairs = zip(trained.weights(wanted), trained.weights(wanted.seqft), strict=True)
    assert [difference(*pair) for pair in pairs] == [0.0] * len(wanted.row.tasks)


@pytest.mark.parametrize("wanted", BF16, ids=str)
def test_takes_effect_in_bf16(wanted: Cell, trained: Trained, references: References) -> None:
    """In the last task's weights the method's effect, its difference to sequential fine-tuning,
    points where it does in fp32."""
    found = _effect(trained.weights(wanted), trained.weights(wanted.seqft))
    truth = _effect(
        references.weights(wanted.method, "full"), references.weights(wanted.seqft.method, "full")
    )
    cosine = float(found @ truth / (found.norm() * truth.norm()))
    print(f"{wanted}: cosine {cosine:.3f}, ratio {float(found.norm() / truth.norm()):.2f}")
    assert cosine > 0.5
    assert 0.5 < found.norm() / truth.norm() < 2


def _effect(method: list[Tensors], seqft: list[Tensors]):
    import torch

    return torch.cat([(method[-1][name] - seqft[-1][name]).flatten() for name in sorted(seqft[-1])])


def test_averaging_every_step_is_decoupled_l2(places: list[str], tmp_path: Path) -> None:
    """SFA with a merge at every step and beta = rate lambda is L2 after the step."""
    sfa = ["method=sfa", "method.p=0.01", "method.beta=0.05"]
    l2 = ["method=l2", "method.form=decoupled_after", "method.strength=50"]  # rate 1e-3
    cells = [
        cell([*places, *overrides], ("copy", "count"), 2, tmp_path / str(index))
        for index, overrides in enumerate((sfa, l2))
    ]
    launch(2, cells, tmp_path)
    for task in ("1", "2"):
        pair = [load_file(tmp_path / str(i) / task / "model.safetensors") for i in range(2)]
        assert difference(*pair) <= 5e-7


@pytest.mark.parametrize("method", ["seqft", "hft"])
def test_bf16_keeps_the_fp32_masters_through_a_stage(
    method: str, tiny_model: Path, places: list[str], tmp_path: Path
) -> None:
    """With a rate too small to move any fp32 weight, two bf16 stages give back the very weights
    they started from: nothing is rounded to bf16 on the way in or out, also what is frozen."""
    start = load_file(tiny_model / "model.safetensors")
    assert any((w.bfloat16().float() != w).any() for w in start.values())
    overrides = [*places, f"method={method}", "engine.precision=bf16", "train.learning_rate=1e-30"]
    zeros = (1, 2, 3)
    cells = [cell(overrides, ("copy", "count"), zero, tmp_path / str(zero)) for zero in zeros]
    launch(2, cells, tmp_path)
    for zero in zeros:
        weights = load_file(tmp_path / str(zero) / "2" / "model.safetensors")
        assert all((weights[name] == start[name]).all() for name in start), f"ZeRO {zero}"


def test_a_failing_cell_does_not_hide_others(places: list[str], tmp_path: Path) -> None:
    broken = cell([*places, "train.learning_rate=1e30"], ("copy",), 2, tmp_path / "broken")
    sound = cell(places, ("copy",), 2, tmp_path / "sound")
    launch(2, [broken, sound], tmp_path)
    assert "lower train.learning_rate" in why_failed(tmp_path / "broken")
    assert not (tmp_path / "broken" / "done").exists()
    assert (tmp_path / "sound" / "done").exists()
