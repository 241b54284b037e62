"""The same question in another style of answer: rules on text that need no model.

Each rule takes a prompt, its answer, other answers of the task and a random stream, and gives
another prompt and answer, or None where it does not fit. What is asked stands before the prompt, so
that a cue at its end ("Answer:") stays the last thing. The wording is ours.
"""

from collections.abc import Callable, Sequence
from random import Random

Text = tuple[str, str]
Rule = Callable[[str, str, Sequence[str], Random], Text | None]

BRIEF_WORDS = 6  # longest answer that is called brief, or that a sentence is made of
CHOICES, LETTERS = 4, "ABCD"


def yes_no(prompt: str, answer: str, others: Sequence[str], source: Random) -> Text | None:
    """Is a given answer, right or another row's by an even chance, the right one?"""
    if not others:
        return None
    right = source.random() < 0.5
    shown = answer if right else source.choice(others)
    asked = f"Is this the right answer: {shown}\nSay yes or no.\n{prompt}"
    return asked, "yes" if right else "no"


def choice(prompt: str, answer: str, others: Sequence[str], source: Random) -> Text | None:
    """Which of up to four answers, by its letter."""
    if not others:
        return None
    options = [answer, *source.sample(list(others), min(CHOICES - 1, len(others)))]
    source.shuffle(options)
    listed = "\n".join(f"{letter}. {one}" for letter, one in zip(LETTERS, options, strict=False))
    asked = f"Choose the right answer and give its letter alone.\n{listed}\n{prompt}"
    return asked, LETTERS[options.index(answer)]


def brief(prompt: str, answer: str, others: Sequence[str], source: Random) -> Text | None:
    """The answer as it is, asked for as a word or a phrase."""
    return (f"Answer in a word or a short phrase.\n{prompt}", answer) if _brief(answer) else None


def sentence(prompt: str, answer: str, others: Sequence[str], source: Random) -> Text | None:
    """The answer in a sentence."""
    if not _brief(answer):
        return None
    return f"Answer in a whole sentence.\n{prompt}", f"The answer is {answer.strip().rstrip('.')}."


RULES: dict[str, Rule] = {rule.__name__: rule for rule in (yes_no, choice, brief, sentence)}


def _brief(answer: str) -> bool:
    return "\n" not in answer.strip() and len(answer.split()) <= BRIEF_WORDS
