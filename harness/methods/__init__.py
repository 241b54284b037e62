"""Continual-learning strategies: one file each; `base.py` holds the protocol they follow."""
