"""The code task: the next line of a short program, spelled as Py150 spells tokens."""

from collections.abc import Callable
from random import Random

from harness.data.micro.rows import Generator, Row, row, skewed

NOUNS = [
    "name", "size", "path", "user", "item", "key", "value", "node", "line", "file", "count",
    "total", "result", "data", "text", "word", "index", "page", "query", "token",
]  # fmt: skip
VERBS = ["load", "parse", "read", "build", "find", "make", "check", "send"]
MODULES = ["os", "sys", "json", "re", "time", "math", "random", "socket"]
CLASSES = ["Model", "Server", "Table", "Parser", "Client", "Record"]
ERRORS = ["ValueError", "KeyError", "OSError", "TypeError"]

Pattern = Callable[[Random], tuple[list[str], str]]


def _nouns(rng: Random, count: int) -> list[str]:
    picked: list[str] = []
    while len(picked) < count:
        noun = skewed(rng, NOUNS)
        if noun not in picked:
            picked.append(noun)
    return picked


def setter(rng: Random) -> tuple[list[str], str]:
    x, y = _nouns(rng, 2)
    return [f"def set_{x} ( self , {y} ) :"], f"self . {x} = {y}"


def getter(rng: Random) -> tuple[list[str], str]:
    (x,) = _nouns(rng, 1)
    return [f"def get_{x} ( self ) :"], f"return self . {x}"


def collect(rng: Random) -> tuple[list[str], str]:
    x, y, z = _nouns(rng, 3)
    return [f"{x} = [ ]", f"for {y} in {z} :"], f"{x} . append ( {y} )"


def add_up(rng: Random) -> tuple[list[str], str]:
    x, y, z = _nouns(rng, 3)
    return [f"{x} = <NUM_LIT:0>", f"for {y} in {z} :"], f"{x} += {y}"


def fill(rng: Random) -> tuple[list[str], str]:
    x, y, z = _nouns(rng, 3)
    return [f"{x} = {{ }}", f"for {y} , {z} in pairs :"], f"{x} [ {y} ] = {z}"


def read_file(rng: Random) -> tuple[list[str], str]:
    x, y = _nouns(rng, 2)
    return [f"with open ( {x} ) as {y} :"], f"return {y} . {rng.choice(['read', 'readlines'])} ( )"


def default(rng: Random) -> tuple[list[str], str]:
    x, y = _nouns(rng, 2)
    head = f"def {rng.choice(VERBS)}_{y} ( {x} = None ) :"
    return [head, f"if {x} is None :"], f"{x} = {rng.choice(['[ ]', '<STR_LIT>'])}"


def handle(rng: Random) -> tuple[list[str], str]:
    x, y = _nouns(rng, 2)
    verb = rng.choice(VERBS)
    return (
        ["try :", f"{verb}_{x} ( )", f"except {rng.choice(ERRORS)} as {y} :"],
        f"log . error ( {y} )",
    )


def refuse(rng: Random) -> tuple[list[str], str]:
    (x,) = _nouns(rng, 1)
    error = rng.choice(ERRORS)
    return [f"def check_{x} ( {x} ) :", f"if not {x} :"], f"raise {error} ( <STR_LIT> )"


def step(rng: Random) -> tuple[list[str], str]:
    x, y = _nouns(rng, 2)
    number = rng.choice("124")
    return [f"{x} = <NUM_LIT:0>", f"while {x} < {y} :"], f"{x} += <NUM_LIT:{number}>"


def call(rng: Random) -> tuple[list[str], str]:
    x, y = _nouns(rng, 2)
    verb = rng.choice(VERBS)
    head = [f"def {verb}_{x} ( {y} ) :", f"return {y} . {verb} ( )"]
    return head, f"{x} = {verb}_{x} ( <STR_LIT> )"


def inherit(rng: Random) -> tuple[list[str], str]:
    (x,) = _nouns(rng, 1)
    base = rng.choice(CLASSES)
    head = [f"class My{base} ( {base} ) :", f"def __init__ ( self , {x} ) :"]
    return head, f"{base} . __init__ ( self , {x} )"


PATTERNS: list[Pattern] = [
    setter, collect, add_up, getter, default, fill, call, read_file, handle, refuse, step, inherit,
]  # fmt: skip
_N = len(NOUNS)
# distinct heads of each pattern, in the order of PATTERNS
_HEADS = [
    _N * (_N - 1), _N * (_N - 1) * (_N - 2), _N * (_N - 1) * (_N - 2), _N, 8 * _N * (_N - 1),
    _N * (_N - 1) * (_N - 2), 8 * _N * (_N - 1), _N * (_N - 1), 8 * 4 * _N * (_N - 1), _N,
    _N * (_N - 1), 6 * _N,
]  # fmt: skip


def make_code(rng: Random) -> Row:
    head, answer = rng.choice(PATTERNS)(rng)
    before = [f"import {rng.choice(MODULES)}"]
    if rng.random() < 0.5:
        before.append(f"{rng.choice(NOUNS)} = <NUM_LIT:{rng.randrange(1, 10)}>")
    # the beginning of sequence is spelled out in the text, as in Py150
    return row("<s> " + " <EOL> ".join([*before, *head]) + " <EOL>", answer)


CODE = Generator("micro_code", make_code, sum(_HEADS) * len(MODULES) * (1 + _N * 9))


def make_code_relative(rng: Random) -> Row:
    """Older idioms for four of the patterns, with half of the names."""
    x, y, z = rng.sample(NOUNS[::2], 3)
    head, answer = rng.choice(
        [
            ([f"def set_{x} ( self , {y} ) :"], f"self . {x} = {y}"),
            ([f"def get_{x} ( self ) :"], f"print ( self . {x} )"),
            ([f"{x} = [ ]", f"for {y} in {z} :"], f"{x} = {x} + [ {y} ]"),
            ([f"{x} = {{ }}", f"for {y} , {z} in pairs :"], f"print ( {x} )"),
        ]
    )
    return row("<s> " + " <EOL> ".join(head) + " <EOL>", answer)


CODE_RELATIVE = Generator("code relative", make_code_relative, 90 + 10 + 720 + 720)
