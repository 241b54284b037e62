"""Tables and plots of the tidy table."""
