"""Find the answer in a text that says more than the answer; pure functions on text.

The lenient scores use them: a model that has forgotten the format of a task but not the task still
says the right letter, number or sentence somewhere.
"""

import re
from typing import NamedTuple

_CUE = re.compile(
    r"(?:answer\s+is\b|(?:answer|回答|答案)\s*(?=[:\uff1a])|答案是)\s*[:\uff1a]?\s*", re.I
)
_TEXT_CUE = re.compile(
    r"therefore, the summary of the meeting transcripts is\s*:"
    r"|^[ \t]*(?:answer|summary|simplification|回答|答案)\s*[:\uff1a]",
    re.I | re.M,
)
# "I" is an English word far more often than it is a choice.
_CHOICE = re.compile(r"(?<![A-Za-z])[A-HJ-Z](?![A-Za-z])")
_LONE_CHOICE = re.compile(r"\s*([A-HJ-Z])[ \t]*(?:\n|$)")
_NUMBER = re.compile(r"(?:(?<!\d)[-\u2212])?(?:\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)")
_LINE_END = re.compile(r"<EOL>|\n")


class Choice(NamedTuple):
    """A letter ("" if the text holds none) and the rest of the text, which may give reasons."""

    letter: str
    reason: str


def choice(text: str) -> Choice:
    """Find the letter that a text chooses, and its reason.

    The letter is a first line of one capital letter A-Z (except I), else the first such letter
    standing alone behind the first "Answer:" (also "answer is", 回答, 答案), else the first in the
    text. The reason is what follows the letter, or, where nothing does, what precedes the cue.
    """
    lone = _LONE_CHOICE.match(text)
    if lone:
        return Choice(lone.group(1), text[lone.end() :].strip())
    cue = _CUE.search(text)
    found = _CHOICE.search(text, cue.end()) if cue else None
    found = found or _CHOICE.search(text)
    if found is None:
        return Choice("", text.strip())
    before = text[: cue.start() if cue and cue.end() <= found.start() else found.start()]
    return Choice(found.group(), text[found.end() :].lstrip(" \t\n.:,)") or before.strip())


def last_number(text: str) -> float | None:
    """Return the number that a text ends up with, None if it holds none.

    It is a first line that is a number, else the last number of the line behind the first "Answer:"
    (also "answer is", 回答, 答案), else the last of the text.
    """
    alone = number_value(text.strip().partition("\n")[0])
    if alone is not None:
        return alone
    cue = _CUE.search(text)
    numbers = _NUMBER.findall(text[cue.end() :].partition("\n")[0]) if cue else []
    numbers = numbers or _NUMBER.findall(text)
    return number_value(numbers[-1]) if numbers else None


def number_value(text: str) -> float | None:
    """Return the value of a text that is one number (5, -1,000.5), None for any other text."""
    digits = text.strip()
    if _NUMBER.fullmatch(digits) is None:
        return None
    return float(digits.replace(",", "").replace("\u2212", "-"))


def short_answers(text: str) -> list[str]:
    """Return what may be the answer of one or a few words: the first line of the text and the line
    behind the first "Answer:" (also "answer is", 回答, 答案), each without its full stop."""
    cue = _CUE.search(text)
    found = [text.strip(), *([text[cue.end() :]] if cue else [])]
    return [each.partition("\n")[0].strip().removesuffix(".") for each in found]


def answer_text(text: str) -> str:
    """Return the text behind the first line that starts with "Answer:", "Summary:" or
    "Simplification:", or behind the sentence that announces a summary in TRACE's reasoning data;
    the whole text where there is no such cue or nothing behind it. Stripped."""
    cue = _TEXT_CUE.search(text)
    return (text[cue.end() :].strip() if cue else "") or text.strip()


def first_line(text: str) -> str:
    """Return the first line that is not blank, stripped; a line ends at a line feed or `<EOL>`."""
    lines = (line.strip() for line in _LINE_END.split(text))
    return next((line for line in lines if line), "")
