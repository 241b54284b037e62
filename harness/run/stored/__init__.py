"""A store as a thing that people look at, check, clear, move and take models from."""
