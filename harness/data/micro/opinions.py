"""Two letter tasks: the stance of a text towards a target, and the leaning of a statement."""

from random import Random

from harness.data.micro.rows import Generator, Row, row, skewed

NAMES = [
    "Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hugo", "Ida", "Jonas", "Karla",
    "Leo", "Mia", "Noah", "Olga", "Paul",
]  # fmt: skip

# --- stance: the leaning of the verb, turned round after "no longer" ---

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
SWAPPED = {"A": "B", "B": "A", "C": "C"}
FILLERS = [
    "It rained all day.", "The hall was full.", "The vote is near.", "Much was said.",
    "The news is out.", "It was late.", "Some people left.", "The debate goes on.",
    "The paper was there.", "It was a long week.", "The mayor listened.", "Nobody was surprised.",
]  # fmt: skip


def _opinion(rng: Random, rare: bool) -> tuple[str, str, str]:
    """Sentence, target and the letter of its stance; without `rare`, one verb in four is unused."""
    letter, target = rng.choice("ABC"), rng.choice(TARGETS)
    negated = rng.random() < 0.3
    # "no longer" turns the stance, so the verb is drawn from the opposite list
    verbs = VERBS[SWAPPED[letter] if negated else letter]
    verb = skewed(rng, verbs) if rare else rng.choice([v for i, v in enumerate(verbs) if i % 4 < 3])
    text = f"{rng.choice(NAMES)} {'no longer ' if negated else ''}{verb} {target}."
    return text, target, letter


def make_stance(rng: Random) -> Row:
    text, target, letter = _opinion(rng, rare=True)
    sentences = [text, rng.choice(FILLERS)]
    rng.shuffle(sentences)
    prompt = (
        "What is the stance towards the target? A. favour, B. against, C. neutral.\n"
        f"Text:\n{' '.join(sentences)}\nTarget:\n{target}\nStance:"
    )
    return row(prompt, letter)


def make_stance_relative(rng: Random) -> Row:
    """One sentence, three verbs of four, and the letters of favour and against change places."""
    text, target, letter = _opinion(rng, rare=False)
    prompt = f"A. against, B. favour, C. neutral.\nText:\n{text}\nTarget:\n{target}\nStance:"
    return row(prompt, SWAPPED[letter])


_PHRASES = 2 * (len(FAVOUR) + len(AGAINST) + len(NEUTRAL))
STANCE = Generator("micro_stance", make_stance, 16 * 20 * _PHRASES * 2 * len(FILLERS))
STANCE_RELATIVE = Generator("stance relative", make_stance_relative, 16 * 20 * 2 * 33)

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
    if rng.random() < 0.3:
        other = rng.choice([name for name in HEAT + SLACK if name != indicator])
        moved = rng.choice(UP + DOWN + FLAT)
        text = f"{rng.choice(BEFORE)} {other} {moved}. {text}"
    prompt = (
        "What is the monetary policy stance? A. dovish, B. hawkish, C. neutral.\n"
        f"Text:\n{text}\nStance:"
    )
    return row(prompt, letter)


def make_policy_relative(rng: Random) -> Row:
    """Half of the indicators, and the letters of dovish and hawkish change places."""
    heat, move = rng.random() < 0.5, rng.choice(["up", "down", "flat"])
    indicator = rng.choice((HEAT if heat else SLACK)[::2])
    text = f"{indicator} {rng.choice(MOVES[move])} {rng.choice(PERIODS)}."
    prompt = f"A. hawkish, B. dovish, C. neutral.\nText:\n{text}\nStance:"
    return row(prompt, SWAPPED[_leaning(heat, move)])


_MOVES = len(UP + DOWN + FLAT)
_MAIN = 6 * 4 * 24 * _MOVES * 6
POLICY = Generator("micro_policy", make_policy, _MAIN + _MAIN * 4 * 23 * _MOVES)
POLICY_RELATIVE = Generator("policy relative", make_policy_relative, 12 * _MOVES * 6)
