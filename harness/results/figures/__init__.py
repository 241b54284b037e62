"""Pictures of the table of scores, for papers: PDF, SVG and PNG."""
