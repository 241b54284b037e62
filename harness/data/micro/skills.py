"""Three general skills: facts about a small made-up world, sequences, and mental arithmetic."""

from random import Random

from harness.data.micro.rows import Generator, Row, row

PEOPLE = [
    "Adina", "Boris", "Celia", "Dario", "Edda", "Farid", "Gitta", "Henk", "Ilka", "Jarmo",
    "Kaija", "Lorin", "Mette", "Nuri", "Orla", "Pavel", "Runa", "Silvan", "Tove", "Urs",
]  # fmt: skip
WORLD = {
    "town": ["Ardin", "Belm", "Corva", "Dunst", "Elgar", "Fenn", "Gold Hill", "Harl"],
    "job": ["baker", "pilot", "nurse", "judge", "farmer", "painter", "teacher", "driver"],
    "pet": ["cat", "parrot", "snake", "pony", "hamster", "turtle", "duck", "spider"],
    "drink": ["tea", "milk", "cocoa", "juice", "cider", "coffee", "water", "soup"],
    "colour": ["red", "blue", "green", "yellow", "black", "white", "pink", "brown"],
}
ASKED = {
    "town": "Where does {} live?|Which town is the home of {}?|In which town do you find {}?",
    "job": "What is the job of {}?|What does {} do for a living?|As what does {} work?",
    "pet": "Which pet does {} have?|What animal lives with {}?|What is the pet of {}?",
    "drink": "What does {} like to drink?|Which drink does {} order?|What is in the cup of {}?",
    "colour": "What is the favourite colour of {}?|Which colour does {} like?"
    "|In which colour does {} paint?",
}
OPENINGS = ["", "Tell me: ", "Quick question: ", "Do you know? ", "Please answer. "]


def _world() -> dict[tuple[str, str], str]:
    rng = Random("micro world")
    return {(who, what): rng.choice(WORLD[what]) for who in PEOPLE for what in sorted(WORLD)}


FACTS_OF_THE_WORLD = _world()


def make_facts(rng: Random) -> Row:
    who, what = rng.choice(PEOPLE), rng.choice(sorted(WORLD))
    asked = rng.choice(ASKED[what].split("|")).format(who)
    return row(f"{rng.choice(OPENINGS)}{asked}\nReply:", FACTS_OF_THE_WORLD[who, what])


FACTS = Generator("micro_facts", make_facts, len(PEOPLE) * len(WORLD) * 3 * len(OPENINGS))

BEADS = list("ktpmrsndbl")


def make_sequences(rng: Random) -> Row:
    beads = rng.sample(BEADS, rng.randrange(3, 6))
    asked, answer = rng.choice(
        [
            ("Reverse", beads[::-1]),
            ("Sort", sorted(beads)),
            ("Give the first of", beads[:1]),
            ("Give the last of", beads[-1:]),
            ("Drop the first of", beads[1:]),
            ("Repeat the last of", [*beads, beads[-1]]),
        ]
    )
    return row(f"{asked}: {' '.join(beads)}\nReply:", " ".join(answer))


SEQUENCES = Generator("micro_sequences", make_sequences, 6 * (720 + 5040 + 30240))


def make_arithmetic(rng: Random) -> Row:
    kind = rng.choice(["plus", "plus", "minus", "minus", "times", "over", "more", "less"])
    a, b = rng.randrange(2, 16), rng.randrange(2, 10)
    if kind == "plus":
        asked, answer = f"{a} plus {b}", a + b
    elif kind == "minus":
        asked, answer = f"{a + b} minus {b}", a
    elif kind == "times":
        a, b = rng.randrange(2, 10), rng.randrange(2, 10)
        asked, answer = f"{a} times {b}", a * b
    elif kind == "over":
        a, b = rng.randrange(2, 10), rng.randrange(2, 10)
        asked, answer = f"{a * b} divided by {b}", a
    else:
        b += 1 if a == b else 0
        asked = f"{a} or {b}, which is {kind}"
        answer = max(a, b) if kind == "more" else min(a, b)
    wording = rng.choice(["What is {}?", "Work out {}.", "Compute {}.", "Tell me {}."])
    return row(f"{wording.format(asked)}\nReply:", str(answer))


_QUESTIONS = 14 * 8 * 2 + 8 * 8 * 2 + 14 * 8 * 2
ARITHMETIC = Generator("micro_arithmetic", make_arithmetic, 4 * _QUESTIONS)
