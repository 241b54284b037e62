"""Trackers of experiments: who else gets what a run measures while it goes on."""
