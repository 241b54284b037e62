"""Strategies, called after their files."""
