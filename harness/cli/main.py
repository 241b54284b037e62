"""The command line: finds the verb and hands it the words behind it."""

from importlib import import_module

from harness import __version__
from harness.cli.verbs import VERBS
from harness.errors import ConfigError, suggest

HELP = ("--help", "-h")
VERSION = ("--version", "-V")
OWN_FOLDER = ("--config-dir", "-cd")


def main(argv: list[str]) -> int:
    """Dispatch a command line; returns the exit code or raises HarnessError."""
    argv = _verb_first(argv)
    if argv and argv[0] in HELP:
        from harness.cli.help import help_text

        print(help_text())
        return 0
    if argv and argv[0] in VERSION:
        print(f"trace-harness {__version__}")
        return 0
    name = argv[0] if argv else ""
    if name in VERBS:
        return import_module(f"harness.cli.{VERBS[name].module}").main(argv[1:])
    if name[:1].isalpha() and "=" not in name:
        raise ConfigError(f"unknown verb '{name}'" + _meant(name))
    from harness.cli.run import main as run

    return run(argv)


def _meant(name: str) -> str:
    """What somebody may have meant who writes a verb that is none."""
    from harness.cli.store import PARTS

    return f"; did you mean 'store {name}'?" if name in PARTS else suggest(name, list(VERBS))


def _verb_first(argv: list[str]) -> list[str]:
    """A user's config folders may stand before the verb."""
    folders = list[str]()
    rest = list(argv)
    while rest:
        flag, equals, _ = rest[0].partition("=")
        if flag not in OWN_FOLDER or (not equals and len(rest) < 2):
            break
        count = 1 if equals else 2
        folders, rest = folders + rest[:count], rest[count:]
    return [rest[0], *folders, *rest[1:]] if rest and rest[0] in VERBS else argv
