"""Weight edits after training: one file each; `base.py` holds the protocol they follow."""
