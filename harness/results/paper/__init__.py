"""TRACE's tables, figures and findings (arXiv 2310.06762), ours beside the published ones."""
