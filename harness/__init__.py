"""Train a language model on a sequence of tasks and measure what it learns and forgets."""

__version__ = "0.2.0"
