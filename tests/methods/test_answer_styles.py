"""Rows in another style of answer: what the rules say, which rows are rewritten, and own rules."""

from random import Random

import pytest

from harness.config.compose.compose import load
from harness.data.encoding import Example, RowId
from harness.data.styles import BRIEF_WORDS, RULES, brief, choice, sentence, yes_no
from harness.data.task_data import TaskData
from harness.errors import ConfigError
from harness.methods import Phase, Stage
from harness.methods.answer_styles import AnswerStyles
from harness.methods.loading import load_strategies

PROMPT = "Where is it?\nAnswer:"


class Texts:
    """Rows of one task, encoded as their characters' numbers, with a limit of 100 for prompts."""

    def __init__(self, rows: list[tuple[str, str]]) -> None:
        self.rows = rows

    def of(self, row: Example) -> tuple[str, str]:
        return self.rows[row.id.index]

    def encoded(self, row: Example, prompt: str, answer: str) -> Example:
        ids = [ord(c) for c in prompt]
        return Example(ids[:100], [ord(c) for c in answer], len(ids) > 100, False, row.id)


def staged(rows: list[tuple[str, str]]) -> Stage:
    texts = Texts(rows)
    blank = [Example([], [], id=RowId("t", place)) for place in range(len(rows))]
    own = [texts.encoded(row, *texts.of(row)) for row in blank]
    stage = Stage("t", 1, 0, None, TaskData("t", own))
    stage.model_runs(None, texts)
    return stage


def read(example: Example) -> tuple[str, str]:
    return "".join(map(chr, example.prompt_ids)), "".join(map(chr, example.answer_ids))


def test_the_right_answer_to_a_yes_no_question_is_that_of_the_shown_one() -> None:
    seen = set()
    for seed in range(20):
        prompt, answer = yes_no(PROMPT, "here", ["there"], Random(seed))
        assert prompt.endswith(PROMPT)
        assert answer == ("yes" if ": here\n" in prompt else "no")
        seen.add(answer)
    assert seen == {"yes", "no"}


@pytest.mark.parametrize("others", [["away"], ["a", "b", "c", "d", "e"]])
def test_the_letter_of_a_choice_is_that_of_the_right_answer(others: list[str]) -> None:
    seen = set()
    for seed in range(40):
        prompt, letter = choice(PROMPT, "here", others, Random(seed))
        assert f"\n{letter}. here\n" in prompt
        assert prompt.count("here") == 2  # one of them the "Where" of the question
        assert sum(f"\n{one}. " in prompt for one in "ABCDE") == min(4, 1 + len(others))
        seen.add(letter)
    assert seen == set("ABCD"[: 1 + len(others)])


def test_short_answers_alone_are_brief_or_make_a_sentence() -> None:
    source = Random(0)
    assert brief(PROMPT, "over there", [], source)[1] == "over there"
    assert sentence(PROMPT, "over there.", [], source)[1] == "The answer is over there."
    long = " ".join(["word"] * (BRIEF_WORDS + 1))
    for rule in (brief, sentence):
        assert rule(PROMPT, long, [], source) is None
        assert rule(PROMPT, "two\nlines", [], source) is None


@pytest.mark.parametrize("rule", [yes_no, choice])
def test_nothing_is_chosen_where_all_answers_are_one(rule) -> None:
    assert rule(PROMPT, "here", [], Random(0)) is None


def test_a_share_of_the_own_rows_is_rewritten_in_their_places() -> None:
    stage = staged([(f"p{i}", f"a{i % 3}") for i in range(20)])
    other = Example([1], [2], id=RowId("t", 3))  # of another strategy, with the same name
    phase = Phase(stage.own, 2).plus([other])
    mine = AnswerStyles(ratio=0.25, styles=["sentence"])
    (made,) = mine.data(stage, [phase])
    assert (made.epochs, made.data.name) == (2, "t")
    assert made.data.examples[-1] is other
    pairs = zip(stage.own.examples, made.data.examples[:-1], strict=True)
    changed = [(old, new) for old, new in pairs if old is not new]
    assert len(changed) == 5
    for old, new in changed:
        prompt, answer = read(old)
        assert old.id == new.id
        assert read(new) == (f"Answer in a whole sentence.\n{prompt}", f"The answer is {answer}.")
    (again,) = mine.data(stage, [phase])
    assert again.data.examples == made.data.examples


def test_what_would_be_cut_stays_as_it_is() -> None:
    stage = staged([("p" * 95, "a"), ("p" * 95, "b")])
    (made,) = AnswerStyles(ratio=1.0).data(stage, [Phase(stage.own, 1)])
    assert made.data.examples == stage.own.examples


def test_a_style_that_does_not_fit_leaves_the_row_to_another() -> None:
    stage = staged([("p", "one\ntwo"), ("p", "other\nlines")])
    (made,) = AnswerStyles(ratio=1.0, styles=["brief", "yes_no"]).data(stage, [Phase(stage.own, 1)])
    assert [read(row)[1] in ("yes", "no") for row in made.data.examples] == [True, True]


def test_styles_of_a_class_of_ones_own() -> None:
    class Shouting(AnswerStyles):
        def check_style(self, style: str) -> None:
            assert style == "loud"

        def rewritten(self, style, row, others, source):
            return row[0], row[1].upper()

    stage = staged([("p", "a"), ("p", "b")])
    (made,) = Shouting(ratio=1.0, styles=["loud"]).data(stage, [Phase(stage.own, 1)])
    assert [read(row)[1] for row in made.data.examples] == ["A", "B"]


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["method.answer_styles.ratio=2"], "method.answer_styles.ratio=2.0: it must be in [0, 1]"),
        (["method.answer_styles.styles=[]"], "method.answer_styles.styles=[]: name some of yes_no"),
        (["method.answer_styles.styles=[loud]"], "styles=loud: it must be one of yes_no, choice"),
    ],
)
def test_wrong_parameters(overrides: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_strategies(load(["method=answer_styles", *overrides]).method)
    assert told in str(error.value)


def test_sefe_is_both_in_one() -> None:
    method = load(["method=sefe"]).method
    assert list(load_strategies(method)) == ["answer_styles", "reg_lora"]
    assert method.adapter.between_tasks.value == "merge"
    assert list(RULES) == ["yes_no", "choice", "brief", "sentence"]
