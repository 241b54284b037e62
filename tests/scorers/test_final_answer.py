"""Final answers of chains of reasoning, on outputs that try to mislead the rules."""

import pytest

from harness.scorers.final_answer import after_cue, cued_number, last_number, same_number
from harness.scorers.tasks import final_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("16 - 3 - 4 = 9 eggs, 9 * 2 = $18. The answer is 18.", 18),
        ("#### 2,125", 2125),
        ("It costs $1,450,000.", 1450000),
        ("so 18...", 18),
        ("It is 7.50 dollars", 7.5),
        ("The temperature is -4", -4),
        ("10-3", 3),
        ("He is left with 50 - 30", 30),
        ("(\u22122)", -2),
        ("3 apples and 4, 5 pears", 5),
        ("12%", 12),
        ("x1", 1),
    ],
)
def test_last_number(text: str, number: float) -> None:
    assert last_number(text) == number


@pytest.mark.parametrize("text", ["", "no idea", "$", "...", "-"])
def test_no_number(text: str) -> None:
    assert last_number(text) is None
    assert same_number(last_number(text), "3") == 0.0


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("The answer is 18. The answer is 7.", 18),
        ("So the answer is: $3,000\n\n9", 3000),
        ("THE ANSWER IS 4 because of 5", 4),
        ("The answer is\n18", 18),
        ("The answer is unknown\n18", None),
        ("18", None),
    ],
)
def test_cued_number(text: str, number: float | None) -> None:
    assert cued_number(text) == number


def test_numbers_are_compared_by_value() -> None:
    assert same_number(5.0, "5") == same_number(2125.0, "2,125") == 1.0
    assert same_number(5.1, "5") == same_number(None, "5") == 0.0


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("We pop both. So the answer is ] } ].", "] } ]"),
        ("So the answer is (B).\n\nQ: next", "(B)"),
        ("the answer is No", "No"),
        ("No", None),
    ],
)
def test_after_cue(text: str, rest: str | None) -> None:
    assert after_cue(text) == rest


@pytest.mark.parametrize(
    ("answer", "text", "strict", "lenient"),
    [
        ("1,006", "3 * 2 = 6 and 1000. The answer is: 1006", 1, 1),
        ("18", "The answer is 18. Check: 9 * 2", 0, 1),
        ("18", "The answer is 17", 0, 0),
        ("18", "", 0, 0),
        ("none", " None\n", 1, 1),
        ("none", "5", 0, 0),
    ],
)
def test_reasoning_by_its_final_number(
    answer: str, text: str, strict: float, lenient: float
) -> None:
    found = final_number({"answer": answer}, text)
    assert found == {"accuracy": strict, "accuracy_lenient": lenient}
