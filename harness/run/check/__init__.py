"""What of this machine works, told in a minute on a small random model."""
