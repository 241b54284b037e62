"""Results that other programs wrote, as runs of the tidy table."""
