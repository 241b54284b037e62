"""Pairwise judging: is an answer better, equal or worse than the initial model's?"""
