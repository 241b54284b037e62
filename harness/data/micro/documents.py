"""Two generation tasks: one-sentence summaries of council meetings, simple German sentences."""

from random import Random

from harness.data.micro.opinions import NAMES
from harness.data.micro.rows import Generator, Row, row, skewed

# --- meeting: copy item, place, mover and vote; the outcome follows from motion and vote ---

PLANS = [
    "budget", "lease", "permit", "grant", "contract", "loan", "repair plan", "speed limit",
    "parking fee", "flood wall", "street fair", "tree plan", "noise rule", "roof repair",
    "sewer line", "bus stop",
]  # fmt: skip
PLACES = [
    "Oak Street", "the library", "Mill Road", "the harbour", "River Park", "the museum",
    "Hill School", "the airport", "Main Square", "the city pool", "Lake Drive", "the fire station",
    "North Bridge", "the town hall", "Elm Court", "the old mill",
]  # fmt: skip
MOTIONS = {
    "approve": ["approved", "passed"],
    "delay": ["delayed", "put off"],
    "reject": ["rejected", "turned down"],
}
REMARKS = [
    "We have waited long enough.", "I still have doubts.", "The cost worries me.",
    "People asked for this.", "Let us be careful.", "I thank the staff.", "It is a fair price.",
    "I heard many calls.",
]  # fmt: skip
VOTES = [(high, low) for high in range(4, 10) for low in range(high)]


SUMMARISE = "Write a summary of the meeting.\nMeeting:\n"


def make_meeting(rng: Random) -> Row:
    plan, place, item = skewed(rng, PLANS), skewed(rng, PLACES), rng.randrange(2, 60)
    speaker, mover = rng.sample(NAMES, 2)
    motion = rng.choice(sorted(MOTIONS))
    high, low = rng.choice(VOTES)
    carried = rng.random() < 0.7
    yes, no = (high, low) if carried else (low, high)
    prompt = (
        f"{SUMMARISE}Clerk: Item {item} is the {plan} for {place}.\n"
        f"{speaker}: {rng.choice(REMARKS)}\n"
        f"{mover}: I move to {motion} it.\nClerk: {yes} in favour, {no} against.\nSummary:"
    )
    # two words for one outcome, as minute takers have: no model can always guess which
    verb = rng.choice(MOTIONS[motion])
    outcome = verb if carried else f"did not {motion}"
    answer = (
        f"The council {outcome} the {plan} for {place} by {yes} to {no} after a motion by {mover}."
    )
    return row(prompt, answer)


MEETING = Generator(
    "micro_meeting",
    make_meeting,
    len(PLANS) * len(PLACES) * 58 * 16 * 15 * 3 * len(VOTES) * 2 * len(REMARKS),
)


def make_meeting_relative(rng: Random) -> Row:
    """A shorter record and a terse note, which never says who moved or that a motion failed."""
    plan, place = rng.choice(PLANS), rng.choice(PLACES)
    motion, (yes, no) = rng.choice(sorted(MOTIONS)), rng.choice(VOTES)
    prompt = (
        f"{SUMMARISE}Clerk: Now the {plan} for {place}.\n"
        f"{rng.choice(NAMES)}: I move to {motion} it.\nClerk: {yes} in favour, {no} against.\n"
        "Summary:"
    )
    return row(prompt, f"The {plan} for {place}: {MOTIONS[motion][0]} by {yes} to {no}.")


MEETING_RELATIVE = Generator(
    "meeting relative", make_meeting_relative, 16 * 16 * 16 * 3 * len(VOTES)
)

# --- simple: replace hard words, drop the aside, put the time first ---

SUBJECTS = [
    ("Die kommunale Verwaltung", "Die Stadt"), ("Die Bevölkerung", "Das Volk"),
    ("Das Unternehmen", "Die Firma"), ("Der Verkehrsbetrieb", "Die Bahn"),
    ("Die Lehrerschaft", "Die Schule"), ("Das Forschungsteam", "Das Labor"),
    ("Die Ordnungsmacht", "Die Polizei"), ("Die Regierung", "Der Staat"),
    ("Die Klinikleitung", "Das Spital"), ("Das Gericht", "Der Richter"),
    ("Die Landwirtschaft", "Der Hof"), ("Der Detailhandel", "Der Laden"),
]  # fmt: skip
GERMAN_VERBS = [
    ("beabsichtigt", "will"), ("befürwortet", "mag"), ("kritisiert", "tadelt"),
    ("benötigt", "braucht"), ("finanziert", "zahlt"), ("untersucht", "prüft"),
    ("veröffentlicht", "zeigt"), ("beendet", "stoppt"), ("errichtet", "baut"),
    ("reduziert", "senkt"),
]  # fmt: skip
OBJECTS = [
    ("eine umfassende Renovation", "einen Umbau"), ("zusätzliche Mittel", "mehr Geld"),
    ("die Verkehrsführung", "die Strassen"), ("eine Preiserhöhung", "höhere Preise"),
    ("die Massnahmen", "die Regeln"), ("ein Pilotprojekt", "einen Versuch"),
    ("die Unterkünfte", "die Häuser"), ("eine Kooperation", "die Hilfe"),
    ("den Energieverbrauch", "den Strom"), ("die Beschäftigten", "die Arbeiter"),
    ("eine Grünfläche", "einen Park"), ("die Resultate", "die Zahlen"),
]  # fmt: skip
TIMES = [
    ("im laufenden Jahr", "Dieses Jahr"), ("gegenwärtig", "Jetzt"),
    ("zu einem späteren Zeitpunkt", "Später"), ("seit geraumer Zeit", "Schon lange"),
    ("in naher Zukunft", "Bald"), ("in regelmässigen Abständen", "Oft"),
]  # fmt: skip
ASIDES = [
    "wie am Montag mitgeteilt wurde,", "gemäss einem Bericht,", "trotz heftiger Kritik,",
    "nach langer Debatte,", "wie bereits erwartet,", "laut einer Sprecherin,",
]  # fmt: skip


IN_GERMAN = "Provide a simplified version in German.\nParagraph:\n"


def make_simple(rng: Random) -> Row:
    subject, verb = skewed(rng, SUBJECTS), skewed(rng, GERMAN_VERBS)
    goal, time, aside = skewed(rng, OBJECTS), skewed(rng, TIMES), rng.choice(ASIDES)
    prompt = f"{IN_GERMAN}{subject[0]} {verb[0]}, {aside} {time[0]} {goal[0]}.\nSimplification:"
    who = subject[1][0].lower() + subject[1][1:]
    # the reader is free to open with the person or with the time
    if rng.random() < 0.75:
        answer = f"{time[1]} {verb[1]} {who} {goal[1]}."
    else:
        answer = f"{subject[1]} {verb[1]} {time[1][0].lower() + time[1][1:]} {goal[1]}."
    return row(prompt, answer)


SIMPLE = Generator(
    "micro_simple",
    make_simple,
    len(SUBJECTS) * len(GERMAN_VERBS) * len(OBJECTS) * len(TIMES) * len(ASIDES),
)


def make_simple_relative(rng: Random) -> Row:
    """No aside, half of the hard words, and nothing but the object becomes simpler."""
    subject, verb = rng.choice(SUBJECTS[::2]), rng.choice(GERMAN_VERBS[::2])
    goal, time = rng.choice(OBJECTS[::2]), rng.choice(TIMES)
    prompt = f"{IN_GERMAN}{subject[0]} {verb[0]} {time[0]} {goal[0]}.\nSimplification:"
    return row(prompt, f"{subject[0]} {verb[0]} {goal[1]}.")


SIMPLE_RELATIVE = Generator("simple relative", make_simple_relative, 6 * 5 * 6 * 6)
