"""Runs: the parent that walks a plan, and the ranks that do its work."""
