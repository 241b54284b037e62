"""The command line: finds the verb and hands it the words behind it."""

from importlib import import_module

from harness.cli.verbs import VERBS
from harness.errors import ConfigError, suggest

HELP = ("--help", "-h")
OWN_FOLDER = ("--config-dir", "-cd")


def main(argv: list[str]) -> int:
    """Dispatch a command line; returns the exit code or raises HarnessError."""
    argv = _verb_first(argv)
    if argv and argv[0] in HELP:
        from harness.cli.help import help_text

        print(help_text())
        return 0
    name = argv[0] if argv else ""
    if name in VERBS:
        return import_module(f"harness.cli.{VERBS[name].module}").main(argv[1:])
    if name[:1].isalpha() and "=" not in name:
        raise ConfigError(f"unknown verb '{name}'" + suggest(name, list(VERBS)))
    from harness.cli.run import main as run

    return run(argv)


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
