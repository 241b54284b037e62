"""Studies that take days: rows of what has completed are kept, whatever becomes of its store."""
