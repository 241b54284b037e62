"""How packed rows are attended: which kernel, and the ways that need no dense mask."""
