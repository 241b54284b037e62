"""From files to batches: reading rows, encoding prompts and answers, ordering and packing."""
