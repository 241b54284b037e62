"""Overall performance, backward transfer and the rest, from scores alone."""
