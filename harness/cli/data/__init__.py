"""`harness data`: check the data of a benchmark, and write the folders for runs."""

from importlib import import_module

from harness.errors import ConfigError, suggest

PARTS = {
    "trace": "TRACE's archive: check it, fetch it, write what runs read",
    "standard": "the standard sequences: draw their tasks from publishers' files",
}


def main(argv: list[str]) -> int:
    """Do what the word behind `data` says; returns the exit code or raises a HarnessError."""
    if not argv or argv[0] in ("-h", "--help"):
        lines = [f"  {name:<9} {line}" for name, line in PARTS.items()]
        end = "`harness data WHAT --help` explains one."
        print("\n".join(["usage: harness data WHAT [options]", "", *lines, "", end]))
        return 0
    name, rest = argv[0], argv[1:]
    if name not in PARTS:
        raise ConfigError(f"harness data {name}: say first whose data{suggest(name, list(PARTS))}")
    return import_module(f"{__name__}.{name}").main(rest)
