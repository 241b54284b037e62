"""Anatomy of forgetting beyond single items: weights between stages, relearning, lines."""
