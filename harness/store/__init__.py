"""Finished work on disk: nodes, content keys, locks."""
