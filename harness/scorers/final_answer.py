"""The final answer of a chain of reasoning, by rule; pure functions on text."""

import re

CUE = re.compile(r"the answer is\b[:\s]*", re.IGNORECASE)
# A minus sign belongs to a number only where nothing that it could subtract from stands before it.
_NUMBER = re.compile(r"(?:(?<![\w.)\]])[-\u2212])?\$?(?:\d+(?:,\d{3})+|\d+)(?:\.\d+)?")


def last_number(text: str) -> float | None:
    """Value of the last number of a text; None where there is none."""
    found = _NUMBER.findall(text)
    return _value(found[-1]) if found else None


def cued_number(text: str) -> float | None:
    """Value of the first number behind the first "the answer is", on the same line."""
    behind = after_cue(text)
    found = _NUMBER.search(behind) if behind is not None else None
    return _value(found.group()) if found else None


def same_number(found: float | None, expected: str) -> float:
    """1.0 where a number was found that has the value of the expected text, else 0.0."""
    return float(found is not None and found == _value(expected))


def after_cue(text: str) -> str | None:
    """The rest of the line behind the first "the answer is", without its full stop; else None."""
    cue = CUE.search(text)
    if cue is None:
        return None
    line = text[cue.end() :].strip().partition("\n")[0].strip()
    return line.removesuffix(".").strip()


def _value(digits: str) -> float:
    return float(digits.replace("\u2212", "-").replace(",", "").replace("$", ""))
