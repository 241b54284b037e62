"""vLLM in a process of its own: `worker.py` runs there, the rest here."""
