"""Two number tasks: everyday sums, and products and quotients dressed as physics and chemistry."""

from random import Random

from harness.data.micro.opinions import NAMES
from harness.data.micro.rows import Generator, Row, row, skewed

HEADER = "Solve the problem.\nQuestion:\n"

# --- sums: one addition or subtraction, often with a second person's number in the way ---

THINGS = [
    "apples", "coins", "books", "pens", "shells", "stamps", "cards", "marbles", "eggs", "plums",
    "balls", "cups", "keys", "stones", "tickets", "buttons",
]  # fmt: skip
GAIN = ["finds", "buys", "gets", "wins", "picks up", "is given", "collects", "borrows"]
LOSS = ["loses", "sells", "gives away", "drops", "breaks", "throws away", "hides", "lends out"]


def _start(rng: Random, gain: bool) -> tuple[int, int, int]:
    """Numbers before and in the event, and the result: none of them above 20."""
    if gain:
        have, event = rng.randrange(3, 13), rng.randrange(2, 9)
        return have, event, have + event
    event, left = rng.randrange(2, 9), rng.randrange(3, 13)
    return event + left, event, left


def make_sums(rng: Random) -> Row:
    (name, other), thing = rng.sample(NAMES, 2), rng.choice(THINGS)
    gain = rng.random() < 0.5
    have, event, result = _start(rng, gain)
    text = f"{name} has {have} {thing}. "
    if rng.random() < 0.4:
        text += f"{other} has {rng.randrange(2, 13)} {thing}. "
    text += f"{name} {skewed(rng, GAIN if gain else LOSS)} {event} {thing}. "
    return row(f"{HEADER}{text}How many {thing} does {name} have now?\nAnswer:", str(result))


SUMS = Generator("micro_sums", make_sums, 16 * 16 * 8 * 70 * 2 * (1 + 15 * 11))


def make_sums_relative(rng: Random) -> Row:
    """Half of the verbs, a short question, and never a second person."""
    name, thing, gain = rng.choice(NAMES), rng.choice(THINGS), rng.random() < 0.5
    have, event, result = _start(rng, gain)
    verb = rng.choice((GAIN if gain else LOSS)[::2])
    told = f"{name} has {have} {thing}. {name} {verb} {event} {thing}."
    return row(f"{told} Now?\nAnswer:", str(result))


SUMS_RELATIVE = Generator("sums relative", make_sums_relative, 16 * 16 * 4 * 70 * 2)

# --- units: a law, which of its three quantities is asked, and factors from 2 to 9 ---

# (what is said of the product, of the first and of the second factor), (how each is asked for)
LAWS = [
    ("goes {p} metres", "goes {a} metres per second", "moves for {b} seconds",
     "How many metres does it go?", "How many metres per second is that?",
     "How many seconds does it move?"),
    ("needs a force of {p} N", "has a mass of {a} kg", "gains {b} metres per second each second",
     "How many newtons push it?", "How many kg is its mass?", "How fast does it speed up?"),
    ("runs on {p} volts", "has {a} ohms", "draws {b} amperes",
     "How many volts is that?", "How many ohms does it have?", "How many amperes flow?"),
    ("uses {p} joules", "runs at {a} watts", "runs for {b} seconds",
     "How many joules does it use?", "How many watts is that?", "How many seconds does it run?"),
    ("weighs {p} grams", "weighs {a} grams per litre", "fills {b} litres",
     "How many grams does it weigh?", "What is its density?", "How many litres does it fill?"),
    ("holds {p} atoms", "holds {a} molecules", "has {b} atoms in a molecule",
     "How many atoms are there?", "How many molecules are there?",
     "How many atoms are in a molecule?"),
]  # fmt: skip
BODIES = [
    "The red box", "The old lamp", "A small motor", "The new pump", "A steel ball", "The toy car",
    "A glass tube", "The blue tank", "A heavy sled", "The test cell", "A round flask", "The robot",
    "A water drop", "The fast boat", "A thin wire", "The hot pan",
]  # fmt: skip


def make_units(rng: Random) -> Row:
    law, a, b = skewed(rng, LAWS), rng.randrange(2, 10), rng.randrange(2, 10)
    values = {"p": a * b, "a": a, "b": b}
    asked = rng.choice([0, 0, 1, 2])
    given = [law[i].format(**values) for i in range(3) if i != asked]
    rng.shuffle(given)
    text = f"{rng.choice(BODIES)} {given[0]} and {given[1]}. {law[3 + asked]}"
    return row(f"{HEADER}{text}\nAnswer:", str(values["pab"[asked]]))


UNITS = Generator("micro_units", make_units, len(LAWS) * 64 * len(BODIES) * 3 * 2)


def make_units_relative(rng: Random) -> Row:
    """Half of the laws, all three questions, and factors up to six."""
    law, a, b = rng.choice(LAWS[::2]), rng.randrange(2, 7), rng.randrange(2, 7)
    values = {"p": a * b, "a": a, "b": b}
    asked = rng.randrange(3)
    given = [law[i].format(**values) for i in range(3) if i != asked]
    text = f"{rng.choice(BODIES)} {given[0]} and {given[1]}. {law[3 + asked]}"
    return row(f"{text}\nAnswer:", str(values["pab"[asked]]))


UNITS_RELATIVE = Generator("units relative", make_units_relative, 3 * 25 * 16 * 3)
