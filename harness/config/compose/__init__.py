"""Hydra overrides become a typed, complete configuration."""
