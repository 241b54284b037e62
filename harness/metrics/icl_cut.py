"""How TRACE's in-context code (arXiv 2310.06762, ICL baseline) cuts predictions before scoring.

A model that is shown solved examples goes on with examples of its own. TRACE keeps what stands
before the next one would begin; of FOMC and C-STANCE it keeps the first generated token.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cut:
    """What is kept of a prediction: the text before `marker`, and of `tokens` generated tokens."""

    marker: str | None = None
    tokens: int | None = None


CUTS = {
    "C-STANCE": Cut(tokens=1),
    "FOMC": Cut(tokens=1),
    "MeetingBank": Cut("Meeting transcripts"),
    "Py150": Cut("<EOL>"),
    "ScienceQA": Cut("Question:"),
    "NumGLUE-cm": Cut("\n"),
    "NumGLUE-ds": Cut("\n"),
    "20Minuten": Cut("Paragraph"),
}


def cut_prediction(task: str, prediction: str) -> str:
    """Return the prediction up to the marker of a task (all of it for a task without one).

    `CUTS[task].tokens` is not applied here: generate that many tokens at most, which gives the same
    text as generating more and keeping the first.
    """
    marker = CUTS.get(task, Cut()).marker
    return prediction.partition(marker)[0] if marker else prediction
