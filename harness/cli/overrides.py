"""The command line of the verbs that take overrides: key=value in Hydra's grammar, few flags."""

import argparse
from dataclasses import dataclass
from typing import Any

from harness.cli.arguments import Arguments
from harness.cli.verbs import VERBS
from harness.config.compose.sweep import expand
from harness.config.places import own_folders, parse

KEYS = "`python -m harness --help` lists every group and key; +key=value adds one, ~key drops one."


@dataclass(frozen=True)
class Words:
    """What a command line says. overrides: those of the user's config folders included."""

    overrides: list[str]
    multirun: bool
    options: argparse.Namespace

    def jobs(self) -> list[list[str]]:
        """The overrides of every job."""
        return expand(self.overrides, self.multirun)


def parser(verb: str, description: str, *examples: str, sweeps: bool = True) -> Arguments:
    """The parser of a verb, and its page: what it does, its arguments, examples."""
    shown = "\n".join(f"  python -m harness {example}" for example in examples)
    made = Arguments(
        prog=f"harness {verb}",
        usage=f"harness {verb} [key=value ...]{' [-m]' if sweeps else ''} [--config-dir FOLDER]",
        description=f"{VERBS[verb].line}\n\n{description}",
        epilog=f"examples:\n{shown}\n\n{KEYS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument(
        "overrides", nargs="*", metavar="key=value", help="what differs from the defaults"
    )
    if sweeps:
        told = "a sweep: every combination of the values a,b,c of a key is a job"
        made.add_argument("-m", "--multirun", action="store_true", help=told)
    told = "a config folder of your own besides; may be given several times"
    made.add_argument("-cd", "--config-dir", action="append", metavar="FOLDER", help=told)
    return made


def read(made: Arguments, argv: list[str]) -> Words:
    """Parse a command line. Raises ConfigError."""
    parse([word for word in argv if not word.strip()])  # tells what an empty override lacks
    found: Any = made.parse_intermixed_args(argv)
    own = own_folders(found.config_dir or [], found.overrides)
    return Words(own, getattr(found, "multirun", False), found)
