"""Scores: per-item text metrics, the scorers of TRACE's tasks, and continual-learning measures."""
