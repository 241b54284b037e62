"""Reports: the tidy table of scores, and the tables and heat maps regenerated from it."""
