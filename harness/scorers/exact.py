"""Exact match, strict as TRACE computes it and lenient towards layout."""


def exact_match(prediction: str, reference: str) -> float:
    """Return 1.0 if both strings are equal character for character, else 0.0.

    Nothing is stripped or normalised, and an empty prediction is wrong even for an empty
    reference, as in TRACE (arXiv 2310.06762, accuracy of its reference implementation).
    """
    return float(prediction != "" and prediction == reference)


def folded_match(prediction: str, reference: str) -> float:
    """Return 1.0 if both are equal after stripping white space and folding case, else 0.0."""
    folded = prediction.strip().casefold()
    return float(folded != "" and folded == reference.strip().casefold())
