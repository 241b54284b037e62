"""Hugging Face model folders as streams of tensors: read, adapted and written one at a time."""
