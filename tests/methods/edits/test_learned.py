"""Edits that learn from rows, against plain PyTorch written from the papers and values by hand."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.toy_models import Toy
from torch.func import functional_call

from harness.data.encoding import Example, RowId
from harness.data.order import batch_indices
from harness.errors import ConfigError, DataError
from harness.methods.edits.adamerging import AdaMerging
from harness.methods.edits.apply import apply_edit, write_edit
from harness.methods.edits.atlas import ATLAS
from harness.methods.edits.base import Edit
from harness.methods.edits.fisher import Fisher
from harness.methods.edits.lessons import Lessons
from harness.methods.edits.regmean import RegMean

Weights = dict[str, torch.Tensor]
Ask = Callable[..., Any]


def rows(task: str, count: int, shift: int) -> list[Example]:
    """Rows of different lengths; the last has a longer answer."""
    return [
        Example(
            prompt_ids=[3 + shift + (7 * i + k) % 40 for k in range(3 + i % 3)],
            answer_ids=[5 + (shift + i + k) % 30 for k in range(1 + i % 2)],
            id=RowId(task, i),
        )
        for i in range(count)
    ]


def loaded(folder: Path) -> torch.nn.Module:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture
def lessons(tiny_model: Path, tuned: list[Path], tmp_path: Path) -> Lessons:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    tasks = [rows("one", 5, 0), rows("two", 7, 11), rows("three", 4, 23)]
    return Lessons(tiny_model, tuned, tasks, loaded, scratch)


@pytest.fixture
def made(lessons: Lessons, tmp_path: Path) -> Callable[[Edit], tuple[Weights, dict]]:
    """An edit's weights, and what it tells."""

    def make(edit: Edit) -> tuple[Weights, dict]:
        edit.learn_from(lessons)
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        out.mkdir()
        report = write_edit(edit, lessons.base, list(lessons.tuned), out)
        return load_file(out / "model.safetensors"), report["told"]

    return make


def parameters(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    return dict(model.named_parameters())


def answer_logits(model: Ask, row: Example) -> torch.Tensor:
    """One row, no padding: the logits that predict its answer."""
    ids = torch.tensor([row.prompt_ids + row.answer_ids])
    return model(input_ids=ids).logits[0, len(row.prompt_ids) - 1 : -1]


def close(found: Weights, expected: Weights, bound: float = 1e-6) -> float:
    assert found.keys() == expected.keys()
    worst = max(float((found[name] - value).abs().max()) for name, value in expected.items())
    assert worst <= bound
    return worst


# Fisher


def test_fisher_merging_is_that_of_the_paper(made: Callable, lessons: Lessons) -> None:
    lessons.load = lambda folder: loaded(folder).double()  # small gradients are rounding in fp32
    found, told = made(Fisher(labels="empirical", floor=1e-6))
    assert told == {"rows": {"one": 5, "two": 7, "three": 4}}
    top, below = None, None
    for folder, task in zip(lessons.tuned, lessons.rows, strict=True):
        model = loaded(folder).double()
        squares = {name: torch.zeros_like(weight) for name, weight in parameters(model).items()}
        for row in task:
            model.zero_grad()
            targets = torch.tensor(row.answer_ids)
            likelihood = answer_logits(model, row).log_softmax(-1)[range(len(targets)), targets]
            likelihood.sum().backward()
            for name, weight in parameters(model).items():
                squares[name] += weight.grad**2 / len(task)
        shares = {name: value.clamp(min=1e-6) for name, value in squares.items()}
        own = {name: shares[name] * weight.detach() for name, weight in parameters(model).items()}
        top = own if top is None else {name: top[name] + own[name] for name in own}
        below = shares if below is None else {name: below[name] + shares[name] for name in own}
    expected = {name: (top[name] / below[name]).float() for name in found}
    close(found, expected)
    mean = {n: sum(load_file(f / "model.safetensors")[n] for f in lessons.tuned) / 3 for n in found}
    assert max(float((found[name] - mean[name]).abs().max()) for name in found) > 0.01


def test_fisher_merging_by_hand(tmp_path: Path) -> None:
    models = Toy(a=[[9.0, 9.0, 9.0], [1.0, 1.0, 1.0], [3.0, 3.0, 3.0]])
    edit = Fisher(floor=0.5)
    edit.lessons = Lessons(tmp_path, [tmp_path] * 2, [], loaded, tmp_path)
    edit.lessons.keep(0, {"a": torch.tensor([1.0, 3.0, 0.0])})
    edit.lessons.keep(1, {"a": torch.tensor([3.0, 1.0, 0.0])})
    # (1 + 3 * 3) / 4, (3 + 3) / 4, and the mean where neither reaches the floor.
    assert edit.merge("a", *models.read("a")).tolist() == [2.5, 1.5, 2.0]
    assert edit.merge("b", *models.read("a")).tolist() == [2.0] * 3


def test_drawn_labels_give_the_fisher_information_itself(tmp_path: Path) -> None:
    """A model that says one distribution p whatever it is asked: F = p (1 - p) of its logits."""

    class Constant(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = torch.nn.Parameter(torch.tensor([0.0, 1.0, 2.0]))

        def forward(self, input_ids: torch.Tensor, **others: object) -> SimpleNamespace:
            return SimpleNamespace(logits=self.bias.expand(*input_ids.shape, 3)[:, -2:])

    edit = Fisher(samples=3000)
    examples = [Example([1], [1], id=RowId("t", i)) for i in range(3000)]
    edit.lessons = Lessons(tmp_path, [], [examples], loaded, tmp_path)
    model = Constant()
    found = edit.measure(model, {"bias": model.bias}, examples)["bias"]
    chances = model.bias.detach().softmax(-1)
    assert torch.allclose(found, chances * (1 - chances), atol=0.02)
    again = edit.measure(model, {"bias": model.bias}, examples)["bias"]
    assert torch.equal(found, again)


# RegMean


def test_regmean_is_that_of_the_paper(made: Callable, lessons: Lessons) -> None:
    found, _ = made(RegMean(off_diagonal=0.9))
    models = [loaded(folder) for folder in lessons.tuned]
    name = "model.layers.1.mlp.down_proj"
    tops, below = 0.0, 0.0
    for model, task in zip(models, lessons.rows, strict=True):
        seen = []
        handle = model.get_submodule(name).register_forward_hook(
            lambda layer, inputs, output, seen=seen: seen.append(inputs[0][0].detach().double())
        )
        for row in task:
            model(input_ids=torch.tensor([row.prompt_ids + row.answer_ids]))
        handle.remove()
        inputs = torch.cat(seen)
        gram = inputs.T @ inputs / len(inputs)
        gram = 0.9 * gram + 0.1 * torch.diag(gram.diagonal())
        tops = tops + gram @ model.get_submodule(name).weight.detach().double().T
        below = below + gram
    expected = (torch.linalg.inv(below) @ tops).T.float()
    assert torch.allclose(found[f"{name}.weight"], expected, rtol=0, atol=1e-5)
    norm = "model.norm.weight"
    mean = sum(parameters(model)[norm].detach() for model in models) / 3
    assert torch.allclose(found[norm], mean, atol=1e-7)
    plain = sum(model.get_submodule(name).weight for model in models) / 3
    assert float((plain - expected).abs().max().detach()) > 1e-3


def test_regmean_by_hand(tmp_path: Path) -> None:
    """Model 1 sees the first input twice as strongly, model 2 the second; none sees the third."""
    base, first, second = torch.zeros(3, 1, 3)
    first[0], second[0] = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([4.0, 4.0, 4.0])
    edit = RegMean(off_diagonal=1.0)
    edit.lessons = Lessons(tmp_path, [tmp_path] * 2, [], loaded, tmp_path)
    edit.lessons.keep(0, {"a": torch.diag(torch.tensor([2.0, 1.0, 0.0]))})
    edit.lessons.keep(1, {"a": torch.diag(torch.tensor([1.0, 5.0, 0.0]))})
    found = edit.merge("a", base, [first, second])
    assert found[0].tolist() == pytest.approx([(2 + 4) / 3, (1 + 20) / 6, 2.5])
    # Off the diagonal, 0 leaves each input to itself: [[2, 1], [1, 2]] counts as 2 and 2.
    edit = RegMean(off_diagonal=0.0)
    edit.lessons = Lessons(tmp_path, [tmp_path] * 2, [], loaded, tmp_path)
    edit.lessons.keep(0, {"a": torch.tensor([[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 1.0]])})
    edit.lessons.keep(1, {"a": torch.eye(3)})
    found = edit.merge("a", base, [first, second])
    assert found[0].tolist() == pytest.approx([2.0, 2.0, 2.5])


# Learned coefficients


def learned(
    edit: Edit,
    lessons: Lessons,
    loss: Callable[[Callable[..., object], list[Example]], torch.Tensor],
) -> Weights:
    """The same search with all models in memory and autograd through the merge."""
    base, *tuned = [
        {name: weight.detach() for name, weight in parameters(loaded(folder)).items()}
        for folder in (lessons.base, *lessons.tuned)
    ]
    model = loaded(lessons.base)
    shape = (len(base), 3) if edit.per == "tensor" else (1, 3)
    own = torch.full(shape, edit.start, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.AdamW([own], lr=edit.learning_rate, weight_decay=edit.weight_decay)
    is_atlas = isinstance(edit, ATLAS)

    def merged() -> Weights:
        return {
            name: base[name]
            + sum(
                c.float() * (other[name] - base[name]) for c, other in zip(row, tuned, strict=True)
            )
            for name, row in zip(base, own.expand(len(base), 3), strict=True)
        }

    for step in range(edit.steps):
        weights = merged()

        def ask(weights: Weights = weights, **inputs: object) -> object:
            return functional_call(model, weights, (), inputs)

        total = 0.0
        for task in lessons.rows:
            size = min(edit.batch_size, len(task))
            chosen = batch_indices(edit.seed, task[0].id.task, step, len(task), size)
            total = total + loss(ask, [task[i] for i in chosen])
        optimizer.zero_grad()
        total.backward()
        if is_atlas:
            torch.nn.utils.clip_grad_norm_([own], edit.clip)
            cosine = 0.5 * (1 + math.cos(math.pi * step / edit.steps))
            optimizer.param_groups[0]["lr"] = cosine * edit.learning_rate
        optimizer.step()
        if not is_atlas:
            own.data.clamp_(0, 1)
    return {name: weight.detach() for name, weight in merged().items()}


def entropy(ask: Ask, task: list[Example]) -> torch.Tensor:
    each = []
    for row in task:
        last = ask(input_ids=torch.tensor([row.prompt_ids])).logits[0, -1]
        each.append(torch.distributions.Categorical(logits=last).entropy())
    return torch.stack(each).mean()


def cross_entropy(ask: Ask, task: list[Example]) -> torch.Tensor:
    logits = torch.cat([answer_logits(ask, row) for row in task])
    targets = torch.tensor([token for row in task for token in row.answer_ids])
    return torch.nn.functional.cross_entropy(logits, targets)


@pytest.mark.parametrize("per", ["tensor", "model"])
def test_adamerging_is_that_of_the_paper(per: str, made: Callable, lessons: Lessons) -> None:
    edit = AdaMerging(per=per, steps=4, learning_rate=0.2, batch_size=3)
    found, told = made(edit)
    close(found, learned(edit, lessons, entropy))
    spread = told["coefficients"]
    assert min(spread["least"]) >= 0
    assert max(spread["most"]) <= 1
    assert (spread["least"] == spread["most"]) == (per == "model")
    assert told["losses"]["last"] < told["losses"]["first"]


@pytest.mark.parametrize("per", ["tensor", "model"])
def test_atlas_is_that_of_the_paper(per: str, made: Callable, lessons: Lessons) -> None:
    edit = ATLAS(per=per, steps=4, learning_rate=0.2, clip=0.05, batch_size=3)
    found, told = made(edit)
    close(found, learned(edit, lessons, cross_entropy))
    assert told["losses"]["last"] < told["losses"]["first"]


def test_no_step_is_task_arithmetic_at_the_start(made: Callable, lessons: Lessons) -> None:
    found, _ = made(AdaMerging(steps=0, start=0.25))
    models = [load_file(f / "model.safetensors") for f in (lessons.base, *lessons.tuned)]
    base, *tuned = models
    expected = {n: w + 0.25 * sum(model[n] - w for model in tuned) for n, w in base.items()}
    close(found, expected)


def test_shots_are_few_and_the_same_again(made: Callable, lessons: Lessons) -> None:
    edit = ATLAS(samples=2, steps=2)
    first, _ = made(edit)
    kept = [lessons.some(number, 2, 0) for number in range(3)]
    assert [len(chosen) for chosen in kept] == [2, 2, 2]
    whole, _ = made(ATLAS(samples=None, steps=2))
    lessons.rows = kept
    again, _ = made(ATLAS(samples=None, steps=2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(whole[name], first[name]) for name in first)


# What is refused


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Fisher, {"samples": 0}),
        (Fisher, {"floor": 0.0}),
        (Fisher, {"labels": "batched"}),
        (RegMean, {"off_diagonal": 1.5}),
        (AdaMerging, {"per": "layer"}),
        (AdaMerging, {"steps": -1}),
        (AdaMerging, {"start": math.inf}),
        (ATLAS, {"clip": 0.0}),
        (ATLAS, {"samples": 0}),
        (ATLAS, {"weight_decay": -1.0}),
    ],
)
def test_wrong_parameters(kind: type[Edit], wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"^{next(iter(wrong))}=.*: it must be"):
        kind(**wrong)


def test_folders_alone_are_not_enough(tiny_model: Path, tuned: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="RegMean learns from rows of its models' tasks"):
        apply_edit(RegMean(), tiny_model, tuned, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_of_other_names_than_its_files_is_refused(made: Callable, lessons: Lessons) -> None:
    lessons.load = lambda folder: torch.nn.ModuleDict({"other": torch.nn.Linear(2, 2)})
    with pytest.raises(DataError, match=r"no file holds other\.weight, which the loaded model has"):
        made(Fisher())


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums in one order: what is compared is the method."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
