"""The science task: which choice belongs to a class of things, and a short reason."""

from random import Random

from harness.micro.rows import Generator, Row, row, skewed

# members of a class; what is asked of the class; the reason that is given
KINDS: dict[str, tuple[list[str], list[str]]] = {
    "bird": (
        ["robin", "eagle", "owl", "crow", "heron", "finch", "stork", "swan", "lark", "gull"],
        ["is a bird", "has feathers", "lays eggs in a nest"],
    ),
    "fish": (
        ["trout", "salmon", "cod", "shark", "tuna", "carp", "eel", "pike", "perch", "herring"],
        ["is a fish", "breathes with gills", "has fins"],
    ),
    "mammal": (
        ["horse", "whale", "mouse", "bear", "wolf", "goat", "otter", "fox", "rabbit", "deer"],
        ["is a mammal", "feeds milk to its young", "has fur or hair"],
    ),
    "insect": (
        ["ant", "bee", "moth", "beetle", "wasp", "cricket", "fly", "termite", "flea", "gnat"],
        ["is an insect", "has six legs", "has a hard outer shell and six legs"],
    ),
    "metal": (
        ["iron", "copper", "gold", "silver", "zinc", "tin", "lead", "nickel", "steel", "bronze"],
        ["is a metal", "conducts electricity", "can be melted and cast"],
    ),
    "gas": (
        ["oxygen", "helium", "neon", "hydrogen", "methane", "argon", "ozone", "steam", "nitrogen",
         "air"],
        ["is a gas", "spreads to fill a room", "has no shape of its own"],
    ),
    "plant": (
        ["oak", "fern", "rose", "moss", "tulip", "pine", "clover", "ivy", "maple", "daisy"],
        ["is a plant", "makes food from sunlight", "takes in water by its roots"],
    ),
    "planet": (
        ["Mars", "Venus", "Saturn", "Jupiter", "Neptune", "Mercury", "Uranus", "Earth"],
        ["is a planet", "goes round the sun", "is far bigger than a mountain"],
    ),
}  # fmt: skip
HINTS = ["", "Hint:\nThink of its class.\n", "Hint:\nOnly one choice fits.\n"]
LETTERS = "ABCD"


def _question(rng: Random, choices: int, wording: str, known: int) -> tuple[str, str, str]:
    """Question and choices, the right letter, the reason, about the first `known` of each class."""
    kind = rng.choice(sorted(KINDS))
    members, traits = KINDS[kind]
    right, trait = skewed(rng, members[:known]), rng.choice(traits)
    others = rng.sample([other for other in sorted(KINDS) if other != kind], choices - 1)
    things = [right, *(skewed(rng, KINDS[other][0][:known]) for other in others)]
    rng.shuffle(things)
    listed = "\n".join(f"{letter}. {thing}" for letter, thing in zip(LETTERS, things, strict=False))
    reason = f"{right[0].upper()}{right[1:]} is in the class {kind}, which {trait}."
    reason = reason.replace(f", which is a {kind}", "").replace(f", which is an {kind}", "")
    return wording.format(trait) + "\n" + listed, LETTERS[things.index(right)], reason


def make_science(rng: Random) -> Row:
    wording = "Question:\nWhich of these {}?\n" + rng.choice(HINTS) + "Choices:"
    asked, letter, reason = _question(rng, rng.choice([3, 4]), wording, 10)
    prompt = f"Choose an answer for the question and give your reason.\n{asked}\nAnswer:"
    return row(prompt, f"{letter}\n{reason}")


# at least: class, member, trait, hint, and two other classes in order with 8 members each
SCIENCE = Generator("micro_science", make_science, 8 * 8 * 3 * 3 * 7 * 6 * 8 * 8)


def make_science_relative(rng: Random) -> Row:
    """The class of one thing, which thing has a trait, or two choices and often a wrong letter."""
    form = rng.random()
    if form < 0.3:
        kind = rng.choice(sorted(KINDS))
        thing = rng.choice(KINDS[kind][0][:7])
        wording = rng.choice(["What is the class of {}?", "In which class is {}?"])
        return row(f"{wording.format(thing)}\nReply:", kind)
    if form < 0.8:
        asked, letter, _ = _question(rng, 3, "Which one {}?", 7)
        listed = [line.split(". ")[1] for line in asked.split("\n")[1:]]
        prompt = asked.split("\n")[0] + " " + ", ".join(listed)
        return row(f"{prompt}\nReply:", listed[LETTERS.index(letter)])
    asked, letter, _ = _question(rng, 2, "Which one {}?", 7)
    return row(f"{asked}\nAnswer:", letter if rng.random() < 0.6 else rng.choice("AB"))


SCIENCE_RELATIVE = Generator("science relative", make_science_relative, 8 * 7 * 3 * 7 * 7 * 2)
