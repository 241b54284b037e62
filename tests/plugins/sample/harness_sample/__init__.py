"""A plug-in of the harness: the method `shrink`, the scorer `first_word`, the task `parity` and the
suite `spelled`."""
