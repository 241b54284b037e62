"""The parts of `scripts/soak.py`: a sweep that is killed and disturbed until it is done all the
same."""
