"""What can be wrong with a configuration, found before anything is loaded."""
