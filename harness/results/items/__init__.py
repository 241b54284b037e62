"""Single items: what was asked, what was answered at every stage, and what became of it."""
