"""Hydra overrides become a typed, complete configuration."""

from harness.config.compose.search_path import register

register()
