"""Verdicts, rates and the length-controlled win rate against values worked out by hand."""

import math

import pytest

from harness.evaluation.judge.outcome import Judged, length_controlled, rates
from harness.evaluation.judge.prompts import RUBRICS, Pair, messages, verdict


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Because.\n[[A]]", "A"),
        ("[[B]]\n\n", "B"),
        ("reason\n  [[C]]  ", "C"),
        ("[[A]] is better", None),
        ("[[A]]\nor rather [[B]]", None),
        ("[[a]]", None),
        ("A", None),
        ("", None),
        ("[[A]][[B]]", None),
        ("[[A]].", None),
    ],
)
def test_only_a_last_line_that_is_a_verdict_counts(text: str, found: str | None) -> None:
    assert verdict(text) == found


def judged(straight: str | None, swapped: str | None, gap: int = 0) -> Judged:
    return Judged(straight, swapped, (100 + gap, 100))


@pytest.mark.parametrize(
    ("straight", "swapped", "result", "inconsistent"),
    [
        ("A", "B", "win", False),
        ("B", "A", "lose", False),
        ("C", "C", "tie", False),
        ("A", "A", "tie", True),
        ("B", "B", "tie", True),
        ("A", "C", "tie", True),
        ("C", "A", "tie", True),
    ],
)
def test_both_orders_decide(straight: str, swapped: str, result: str, inconsistent: bool) -> None:
    item = judged(straight, swapped)
    assert (item.result, item.inconsistent) == (result, inconsistent)


def test_rates_by_hand() -> None:
    items = [judged("A", "B"), judged("A", "B"), judged("B", "A"), judged("A", "A")]
    items.append(judged(None, "A"))
    found = {row["metric"]: row for row in rates(items)}
    values = {name: row["value"] for name, row in found.items()}
    assert (values["win"], values["tie"], values["lose"]) == (0.5, 0.25, 0.25)
    assert values["net_win"] == pytest.approx(100 * (0.5 - 0.25) / 2)
    assert values["inconsistency"] == 0.25
    assert values["malformed"] == 0.2
    assert found["win"]["n"] == 4
    # 50, 50, -50, 0: mean 12.5, variance (37.5^2 * 2 + 62.5^2 + 12.5^2) / 3
    variance = (37.5**2 * 2 + 62.5**2 + 12.5**2) / 3
    assert found["net_win"]["stderr"] == pytest.approx(math.sqrt(variance / 4))


def test_equal_answers_count_as_ties_and_say_nothing_about_the_judge() -> None:
    same = Judged(None, None, (100, 100), identical=True)
    refused = Judged("A", None, (100, 100), refused=True)
    items = [same, same, judged("A", "B"), judged("A", "A"), refused]
    found = {row["metric"]: (row["value"], row["n"]) for row in rates(items)}
    assert found["tie"] == (0.75, 4)
    assert found["net_win"] == (pytest.approx(50 / 4), 4)
    assert found["inconsistency"] == (0.5, 2)
    assert found["malformed"] == found["judge_refused"] == (0.2, 5)
    assert found["identical"] == (0.4, 5)


def test_without_differences_in_length_nothing_is_controlled() -> None:
    items = [judged("A", "B"), judged("A", "B"), judged("B", "A"), judged("C", "C")]
    assert length_controlled(items) == pytest.approx(0.625)


def test_two_lengths_have_a_closed_solution() -> None:
    """At x = +t and -t the fit passes through both rates: logit p0 is the mean of their logits."""
    longer = [judged("A", "B", 10)] * 9 + [judged("B", "A", 10)]
    shorter = [judged("A", "B", -10)] * 4 + [judged("B", "A", -10)] * 6
    middle = (math.log(0.9 / 0.1) + math.log(0.4 / 0.6)) / 2
    assert length_controlled(longer + shorter) == pytest.approx(1 / (1 + math.exp(-middle)), 1e-4)


def test_a_win_that_length_explains_is_no_win() -> None:
    items = [judged("A", "B", 10)] * 10 + [judged("B", "A", -10)] * 10
    assert length_controlled(items) == pytest.approx(0.5, abs=1e-3)


def test_the_two_orders_swap_the_answers() -> None:
    pair = Pair("Why?", "new", "old")
    for rubric in RUBRICS:
        straight, swapped = (messages(rubric, pair, order)[1]["content"] for order in (False, True))
        assert straight.index("new") < straight.index("old")
        assert swapped.index("old") < swapped.index("new")
