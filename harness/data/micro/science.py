"""The science task: which choice belongs to a class of things, and a short reason."""

from random import Random

from harness.data.micro.rows import Generator, Row, row, skewed

# members of a class, and what is asked of it
KINDS: dict[str, tuple[list[str], list[str]]] = {
    "bird": (
        ["robin", "eagle", "owl", "crow", "heron", "finch", "stork", "swan"],
        ["is a bird", "has feathers"],
    ),
    "fish": (
        ["trout", "salmon", "cod", "shark", "tuna", "carp", "eel", "pike"],
        ["is a fish", "breathes with gills"],
    ),
    "mammal": (
        ["horse", "whale", "mouse", "bear", "wolf", "goat", "otter", "fox"],
        ["is a mammal", "feeds milk to its young"],
    ),
    "metal": (
        ["iron", "copper", "gold", "silver", "zinc", "tin", "lead", "nickel"],
        ["is a metal", "conducts electricity"],
    ),
    "plant": (
        ["oak", "fern", "rose", "moss", "tulip", "pine", "clover", "ivy"],
        ["is a plant", "makes food from sunlight"],
    ),
    "planet": (
        ["Mars", "Venus", "Saturn", "Jupiter", "Neptune", "Mercury", "Uranus", "Earth"],
        ["is a planet", "goes round the sun"],
    ),
}
HINTS = ["", "Hint:\nThink of its class.\n", "Hint:\nOnly one choice fits.\n"]
LETTERS = "ABC"
HEADER = "Choose an answer and give your reason.\nQuestion:\n"


def _question(rng: Random, choices: int, known: int) -> tuple[str, str, str]:
    """Question, listed choices and the answer, about the first `known` things of each class."""
    kind = rng.choice(sorted(KINDS))
    members, traits = KINDS[kind]
    right, trait = skewed(rng, members[:known]), rng.choice(traits)
    others = rng.sample([other for other in sorted(KINDS) if other != kind], choices - 1)
    things = [right, *(skewed(rng, KINDS[other][0][:known]) for other in others)]
    rng.shuffle(things)
    listed = "\n".join(f"{letter}. {thing}" for letter, thing in zip(LETTERS, things, strict=False))
    letter = LETTERS[things.index(right)]
    return f"Which {trait}?\n", listed, f"{letter}\nBecause {right} is a kind of {kind}."


def make_science(rng: Random) -> Row:
    asked, listed, answer = _question(rng, 3, 8)
    return row(f"{HEADER}{asked}{rng.choice(HINTS)}Choices:\n{listed}\nAnswer:", answer)


# class, thing, trait, hint, and things of two other classes in order
SCIENCE = Generator("micro_science", make_science, 6 * 8 * 2 * 3 * 5 * 4 * 8 * 8 * 3)


def make_science_relative(rng: Random) -> Row:
    """The class of one of the better known things, or which of two such things it is."""
    if rng.random() < 0.3:
        kind = rng.choice(sorted(KINDS))
        return row(f"What is the class of {rng.choice(KINDS[kind][0][:5])}?\nReply:", kind)
    asked, listed, answer = _question(rng, 2, 5)
    return row(f"{asked}Choices:\n{listed}\nAnswer:", answer)


SCIENCE_RELATIVE = Generator("science relative", make_science_relative, 6 * 5 * 2 * 5 * 5 * 2)
