"""Scorers, called as their functions."""

from typing import Any


def first_word(doc: dict[str, Any], prediction: str) -> dict[str, float]:
    """Is the answer the prediction's first word, without the marks behind it?"""
    first = (prediction.split() or [""])[0].rstrip(".,;:!?")
    return {"accuracy": float(first == doc["answer"])}
