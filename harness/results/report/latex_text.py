r"""Text and formulas for LaTeX as it is without further packages (OT1 fonts, UTF-8)."""

import re
import unicodedata

from harness.results.measures.continual import MEASURES
from harness.results.report.printing import DASH

# Text fonts lack these, or print something else for them.
_SYMBOLS = {
    "±": r"$\pm$",
    "<": "$<$",
    ">": "$>$",
    "|": r"\textbar{}",
    "…": r"\dots{}",
    "†": r"$^{\dagger}$",
    "→": r"$\to$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    DASH: "--",
}
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    # Behind the end of a row these would be an argument of it.
    **{char: f"{{{char}}}" for char in "[]*"},
    **{char: f"\\{char}" for char in "&%$#_{}"},
}
_LACKING = frozenset("«»ÐÞðþĄąĐđĘęĦħĮįĸĿŀŉŊŋŦŧŲųſ")  # Latin letters that OT1 cannot put together
_GREEK = re.compile(
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|"
    "upsilon|phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega"
)
_CELL = r"R\[([A-Za-z0-9]+),([A-Za-z0-9]+)\]"  # as formulas have it; names of others stay text
_BOUND = re.compile(r"\b(mean|sum|max)_(\{[^}]*\}|\w)")


def escape_latex(text: str) -> str:
    """Escape the characters that LaTeX reads as commands, and name those that its fonts lack."""
    return "".join(map(_escaped, text)).replace("--", "-{}-").replace(_ENDASH, "--")


_ENDASH = "\0"  # which no text has


def _escaped(char: str) -> str:
    if char == DASH:
        return _ENDASH
    if char in _SPECIAL or char in _SYMBOLS:
        return _SPECIAL.get(char) or _SYMBOLS[char]
    if _GREEK.fullmatch(letter := _greek(char)):
        return rf"$\{letter}$"
    if char.isprintable() and ord(char) < 0x180 and char not in _LACKING:
        return char
    return " " if char.isspace() else f"{{[}}U+{ord(char):04X}{{]}}"


def _greek(char: str) -> str:
    """The name of a Greek letter, as LaTeX calls it; empty for anything else."""
    found = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", unicodedata.name(char, ""))
    if found is None:
        return ""
    name = found[2].lower().replace("lamda", "lambda")
    return name.capitalize() if found[1] == "CAPITAL" else name


def number_latex(text: str) -> str:
    """A number with a minus and no hyphen."""
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", escape_latex(text))


def prose_latex(text: str) -> str:
    """A caption, whose measures are set as mathematics."""
    formulas = sorted({m.formula for m in MEASURES.values()}, key=len, reverse=True)
    pattern = "|".join([*map(re.escape, formulas), rf"{_CELL}(?: - {_CELL})?"])
    parts, last = [], 0
    for found in re.finditer(pattern, text):
        parts += [escape_latex(text[last : found.start()]), f"${_mathematics(found[0])}$"]
        last = found.end()
    return "".join([*parts, escape_latex(text[last:])])


def _mathematics(formula: str) -> str:
    r"""`mean_i R[T,i]` -> `\operatorname{mean}_{i} R_{T,i}`."""
    names = {"mean": r"\operatorname{mean}", "sum": r"\sum", "max": r"\max"}
    told = re.sub(_CELL, r"R_{\1,\2}", formula)
    told = _BOUND.sub(lambda found: f"{names[found[1]]}_{{{found[2].strip('{}')}}}", told)
    return told.replace("<=", r"\le ").replace(">=", r"\ge ").replace("OP_t", r"\mathrm{OP}_t")
