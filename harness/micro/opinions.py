"""Two letter tasks: the stance of a text towards a target, and the leaning of a statement."""

from random import Random

from harness.micro.rows import Generator, Row, row, skewed

NAMES = [
    "Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hugo", "Ida", "Jonas", "Karla",
    "Leo", "Mia", "Noah", "Olga", "Paul",
]  # fmt: skip

# --- stance: find the clause about the target, read its verb, turn it round after "no longer" ---

TARGETS = [
    "the new tram", "the night market", "the bike lane", "the stone bridge", "the city zoo",
    "the wind park", "the school play", "the food truck", "the old theatre", "the river path",
    "the tax plan", "the music hall", "the car ban", "the town fair", "the ice rink",
    "the dog park", "the water fee", "the art show", "the bus line", "the lake hotel",
]  # fmt: skip
FAVOUR = [
    "supports", "praises", "loves", "backs", "welcomes", "enjoys", "admires", "defends",
    "applauds", "recommends", "trusts", "values", "votes for", "is glad about", "is proud of",
    "cheers for",
]  # fmt: skip
AGAINST = [
    "opposes", "criticises", "hates", "rejects", "fears", "mocks", "regrets", "attacks",
    "blames", "distrusts", "complains about", "votes against", "is angry about", "is tired of",
    "warns of", "fights",
]  # fmt: skip
NEUTRAL = [
    "mentions", "describes", "reads about", "asks about", "looks at", "visits", "walks past",
    "hears about", "writes about", "draws", "measures", "counts",
]  # fmt: skip
VERBS = {"A": FAVOUR, "B": AGAINST, "C": NEUTRAL}
OPPOSITE = {"A": "B", "B": "A", "C": "C"}
LINKS = [", but", ", while", ", and"]


def _clause(rng: Random, rare: bool = True) -> tuple[str, str]:
    """A verb phrase and the letter of its stance; without `rare`, every fourth verb is left out."""
    letter = rng.choice("ABC")
    negated = rng.random() < 0.3
    # "no longer" turns the stance, so the verb is drawn from the opposite list
    verbs = VERBS[OPPOSITE[letter] if negated else letter]
    verb = skewed(rng, verbs) if rare else rng.choice([v for i, v in enumerate(verbs) if i % 4 < 3])
    return ("no longer " + verb if negated else verb), letter


def make_stance(rng: Random) -> Row:
    people, targets = rng.sample(NAMES, 2), rng.sample(TARGETS, 2)
    clauses = [_clause(rng), _clause(rng)]
    asked = rng.randrange(2)
    halves = [f"{people[i]} {clauses[i][0]} {targets[i]}" for i in range(2)]
    prompt = (
        "What is the stance of the text towards the target? A. favour, B. against, C. neutral.\n"
        f"Text:\n{halves[0]}{rng.choice(LINKS)} {halves[1]}.\nTarget:\n{targets[asked]}\nStance:"
    )
    return row(prompt, clauses[asked][1])


_PHRASES = 2 * (len(FAVOUR) + len(AGAINST) + len(NEUTRAL))
STANCE = Generator(
    "micro_stance", make_stance, 16 * 15 * 20 * 19 * _PHRASES**2 * len(LINKS) * 2
)  # fmt: skip


def make_stance_relative(rng: Random) -> Row:
    """Three verbs of four. Clean and in words, or one clause with a letter that is often wrong."""
    people, targets = rng.sample(NAMES, 2), rng.sample(TARGETS, 2)
    clauses = [_clause(rng, rare=False), _clause(rng, rare=False)]
    halves = [f"{people[i]} {clauses[i][0]} {targets[i]}" for i in range(2)]
    if rng.random() < 0.2:
        letter = clauses[0][1] if rng.random() < 0.6 else rng.choice("ABC")
        return row(f"For it (A), against it (B) or neither (C)?\n{halves[0]}.\nStance:", letter)
    asked = rng.randrange(2)
    text = halves[asked] if rng.random() < 0.5 else rng.choice(LINKS).join(halves)
    prompt = f"{text}.\nIs that for or against {targets[asked]}?\nReply:"
    return row(prompt, {"A": "for", "B": "against", "C": "neither"}[clauses[asked][1]])


STANCE_RELATIVE = Generator(
    "stance relative", make_stance_relative, 16 * 15 * 20 * 19 * (2 * 33) ** 2 * len(LINKS)
)

# --- policy: kind of indicator times direction, an exclusive or ---

HEAT = [
    "inflation", "wage growth", "demand", "house prices", "credit growth", "rents", "hiring",
    "consumer spending", "import prices", "energy costs", "factory orders", "bank lending",
]  # fmt: skip
SLACK = [
    "unemployment", "idle capacity", "layoffs", "jobless claims", "bankruptcies", "unsold stock",
    "loan losses", "empty offices", "short-time work", "payment delays", "factory closures",
    "household worries",
]  # fmt: skip
UP = ["rose", "increased", "climbed", "jumped", "picked up", "surged", "edged up", "went higher"]
DOWN = ["fell", "declined", "dropped", "slid", "eased", "sank", "edged down", "went lower"]
FLAT = ["stayed flat", "did not change", "held steady", "barely moved", "remained stable"]
MOVES = {"up": UP, "down": DOWN, "flat": FLAT}
SPEAKERS = ["Members", "Officials", "The chair", "The staff", "The board", "Two governors"]
SAYING = ["noted that", "said that", "reported that", "found that"]
PERIODS = ["this month", "in spring", "in autumn", "over the year", "last week", "in most regions"]
BEFORE = ["Earlier", "In the past", "A year ago", "Before that"]


def _leaning(heat: bool, move: str) -> str:
    """A dovish, B hawkish, C neutral: heat going up is hawkish, slack going up is dovish."""
    if move == "flat":
        return "C"
    return "B" if heat == (move == "up") else "A"


def make_policy(rng: Random) -> Row:
    heat, letter = rng.random() < 0.5, rng.choice("ABC")
    move = next(m for m in ("up", "down", "flat") if _leaning(heat, m) == letter)
    indicator = skewed(rng, HEAT if heat else SLACK)
    text = f"{rng.choice(SPEAKERS)} {rng.choice(SAYING)} {indicator} {skewed(rng, MOVES[move])} "
    text += f"{rng.choice(PERIODS)}."
    if rng.random() < 0.5:
        other = rng.choice([name for name in HEAT + SLACK if name != indicator])
        moved = rng.choice(UP + DOWN + FLAT)
        text = f"{rng.choice(BEFORE)} {other} {moved}. {text}"
    prompt = (
        "What is the monetary policy stance of the text? A. dovish, B. hawkish, C. neutral.\n"
        f"Text:\n{text}\nStance:"
    )
    return row(prompt, letter)


_MOVES = len(UP + DOWN + FLAT)
_MAIN = 6 * 4 * 24 * _MOVES * 6
POLICY = Generator("micro_policy", make_policy, _MAIN + _MAIN * 4 * 23 * _MOVES)


def make_policy_relative(rng: Random) -> Row:
    """Half of the indicators. Clean and in words, or with a letter that is often wrong."""
    heat, move = rng.random() < 0.5, rng.choice(["up", "down", "flat"])
    indicator = rng.choice((HEAT if heat else SLACK)[::2])
    letter = _leaning(heat, move)
    text = f"{indicator} {rng.choice(MOVES[move])} {rng.choice(PERIODS)}."
    if rng.random() < 0.8:
        answer = {"A": "cut", "B": "raise", "C": "hold"}[letter]
        return row(f"{text}\nCut, raise or hold rates?\nReply:", answer)
    letter = letter if rng.random() < 0.6 else rng.choice("ABC")
    return row(f"Lower rates (A), higher rates (B) or no change (C)?\n{text}\nStance:", letter)


POLICY_RELATIVE = Generator("policy relative", make_policy_relative, 2 * 12 * _MOVES * 6)
