"""Model folders: loading, adapters, weights."""
