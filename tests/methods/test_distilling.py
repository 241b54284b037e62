"""What distilling strategies keep and compare, against values worked out by hand or by torch."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn.functional import kl_div

from harness.config.compose.compose import load
from harness.errors import ConfigError
from harness.methods import Example, Pass, RowId, State
from harness.methods.der import largest, squares
from harness.methods.gere import GeRe, margins, sides
from harness.methods.loading import load_strategies
from harness.methods.shared.teacher import Teacher, divergence, predictions, reverse_divergence
from harness.methods.zscl import ZSCL
from harness.plan.checks.run import validate

DRAWN = torch.Generator().manual_seed(3)
OLD, NEW = (torch.randn(4, 10, generator=DRAWN) for _ in range(2))
LOGS = torch.tensor([[0.5, 0.25, 0.125, 0.125]]).log()
FLAT = torch.zeros(1, 4)  # a quarter each


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_all_of_the_vocabulary_gives_the_divergence_itself(temperature: float) -> None:
    p, q = ((z / temperature).log_softmax(-1) for z in (OLD, NEW))
    told = predictions(OLD, 99, temperature)
    expected = kl_div(q, p, reduction="none", log_target=True).sum(-1)
    assert torch.allclose(divergence(told, NEW, temperature), expected, atol=1e-6)
    expected = kl_div(p, q, reduction="none", log_target=True).sum(-1)
    assert torch.allclose(reverse_divergence(told, NEW, temperature), expected, atol=1e-6)


def test_the_tokens_that_are_not_kept_are_one_outcome() -> None:
    """(1/2, 1/4 | 1/4) beside (1/4, 1/4 | 1/2): 1/2 ln 2 - 1/4 ln 2, and the reverse."""
    told = predictions(LOGS, 2)
    assert told["ids"].tolist() == [[0, 1]]
    ln2 = torch.tensor(2.0).log()
    assert torch.allclose(divergence(told, FLAT), 0.25 * ln2)
    assert torch.allclose(reverse_divergence(told, FLAT), 0.25 * ln2)
    assert divergence(told, LOGS).abs() < 1e-6


def test_logits_are_compared_with_the_others_sum() -> None:
    """Kept 3 and 1 with others ln(e^0 + e^0) = ln 2; now 2, 1 and ln(e^0 + e^2)."""
    told = largest(torch.tensor([[0.0, 3.0, 1.0, 0.0]]), 2)
    assert told["ids"].tolist() == [[1, 2]]
    rest = torch.tensor(1 + 2.718281828**2).log() - torch.tensor(2.0).log()
    found = squares(told, torch.tensor([[0.0, 2.0, 1.0, 2.0]]))
    assert torch.allclose(found, (1 + 0 + rest**2) / 3)


def test_all_logits_have_no_others() -> None:
    told = largest(OLD, 10)
    assert "rest" not in told
    assert torch.allclose(squares(told, NEW), (OLD - NEW).pow(2).mean(-1))


def rows(*lengths: int) -> list[Example]:
    return [Example([1], [2] * n, id=RowId("a", i)) for i, n in enumerate(lengths)]


def made(examples: list[Example], logits: torch.Tensor, **more: Any) -> Pass:
    batch = SimpleNamespace(members=examples, idle=False, **more)
    return Pass(batch, logits)


class View:
    """One rank, whose model gives fixed logits."""

    def __init__(self, logits: torch.Tensor) -> None:
        self.logits = logits

    def observe(self, examples: list[Example], visit: Any) -> None:
        visit(made(examples, self.logits))

    def union(self, mine: dict) -> dict:
        return mine


def reread(state: State) -> Teacher:
    saved = SimpleNamespace(values=state.values, tensor=lambda name: state.tensors[name])
    return Teacher.read(saved)


def test_a_teacher_comes_back_from_its_state_row_by_row() -> None:
    teacher, asked = Teacher(), rows(1, 3)
    teacher.ask(SimpleNamespace(view=View(OLD)), asked, lambda m: predictions(m.logits, 2))
    teacher.rows[asked[0].id]["more"] = torch.arange(5)
    teacher.rows[asked[1].id]["more"] = torch.arange(2)
    again = reread(teacher.state())
    assert again.rows.keys() == teacher.rows.keys()
    for row, told in teacher.rows.items():
        assert again.rows[row].keys() == told.keys()
        assert all(torch.equal(again.rows[row][name], told[name]) for name in told)
    again.keep_only(asked[1:])
    ((place, told),) = again.parts(made(asked, OLD))
    assert place == slice(1, 4)
    assert torch.equal(told["ids"], predictions(OLD, 2)["ids"][1:])
    assert not reread(Teacher().state()).rows


def test_units_stay_on_their_side_of_the_thresholds() -> None:
    """Thresholds -1 and 1: from below, between and above, to -2, 0.5 and 3."""
    thresholds = torch.tensor([[-1.0] * 3, [1.0] * 3])
    side = sides(torch.tensor([[-1.0, 0.0, 1.0]]), thresholds)
    assert side.tolist() == [[-1, 0, 1]]
    for now, expected in ((-2.0, [0, 1, 3]), (0.5, [1.5, 0, 0.5]), (3.0, [4, 2, 0])):
        found = margins(side, torch.full((1, 3), now), thresholds)
        assert found.tolist() == [expected]


@pytest.mark.parametrize(("distil", "expected"), [("l1", 2.0), ("l2", 5.0)])
def test_activations_are_compared_by_dimension(distil: str, expected: float) -> None:
    gere = load_strategies(load(["method=gere", f"method.distil={distil}"]).method)["gere"]
    found = gere._away({"hidden": torch.zeros(1, 2)}, torch.tensor([[-3.0, 1.0]]))
    assert found.tolist() == [expected]


def test_a_running_average_counts_the_start_and_every_second_step() -> None:
    """Weights 10 at the start, then 1, 2, 3, 4, 5: the mean of 10, 2 and 4."""
    held = {"w": torch.tensor([10.0])}
    view = SimpleNamespace(
        weights=lambda: {"w": held["w"].clone()},
        shards=lambda: [SimpleNamespace(name="w", weight=held["w"].clone())],
        update_weights=lambda change: held.update(w=change(SimpleNamespace(name="w"))),
    )
    zscl = ZSCL(texts="x", weight=0.0, p=0.4)
    zscl.start(SimpleNamespace(view=view))
    for step in range(5):
        held["w"] = torch.tensor([step + 1.0])
        zscl.weights(SimpleNamespace(view=view, step=step, total=5))
    zscl.finish(SimpleNamespace(view=view))
    assert held["w"].tolist() == pytest.approx([16 / 3])


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["method=der", "method.alpha=-1"], "method.der.alpha=-1.0: it must be 0 or more"),
        (["method=der", "method.der.fill=reservoir"], "method.der.fill=reservoir: it fills a"),
        (["method=der", "method.ratio=2"], "method.der.ratio=2.0: it must be in [0, 1]"),
        (["method=kl_initial", "method.kl_initial.weight=-1"], "kl_initial.weight=-1.0: it must"),
        (["method=kl_initial", "method.kl_initial.direction=up"], "[reverse, forward]"),
        (["method=zscl", "method.texts=null"], "method.zscl.texts: it needs a file of rows"),
        (["method=zscl", "method.zscl.p=2"], "method.zscl.p=2.0: it must be in [0, 1]"),
        (["method=gere", "method.texts=/no.json"], "gere: the data file /no.json does not exist"),
        (["method=gere", "method.distil=l3"], "[margin, l1, l2, kl, none]"),
        (
            ["method=gere", "method.distil=none", "method.gere.dynamic=true"],
            "method.gere.dynamic=true: distil=none has nothing to weigh",
        ),
        (["method=[lora_merge,kl_initial]"], "method.kl_initial carries a value for every"),
        (["method=[joint,der]"], "method.der: it works with earlier tasks"),
        (["method=[gem,zscl]"], "list it first, method=[zscl,gem]"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(overrides: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        validate(load(overrides))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_takes_no_more_than_is_said() -> None:
    """Of a text's token the thresholds keep one byte a dimension."""
    gere = GeRe(texts="x")
    asked = rows(1, 3)
    for row, part in zip(asked, ([[0.0, 2.0]], [[1.0, 4.0], [2.0, 6.0], [9.0, 0.0]]), strict=True):
        gere.teacher.rows[row.id] = {"hidden": torch.tensor(part)}
    gere._classify()
    hidden = torch.tensor([[0.0, 2.0], [1.0, 4.0], [2.0, 6.0], [9.0, 0.0]])
    spread = hidden.std(0, correction=0)
    assert torch.allclose(gere.thresholds[0], hidden.mean(0) - spread)
    assert torch.allclose(gere.thresholds[1], hidden.mean(0) + spread)
    kept = [told["side"] for told in gere.teacher.rows.values()]
    assert torch.cat(kept).tolist() == [[0, 0], [0, 0], [0, 1], [1, -1]]
    assert all(side.dtype is torch.int8 and "hidden" not in told for side, told in zip(
        kept, gere.teacher.rows.values(), strict=True
    ))  # fmt: skip
