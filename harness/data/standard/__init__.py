"""The standard sequences' data: read from publishers' files, drawn, written as rows."""
