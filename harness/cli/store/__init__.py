"""`harness store`: look at a store, check it, clear it, move it, take a model from it."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from harness.cli.arguments import Arguments
from harness.config import StoreConfig
from harness.errors import ConfigError, DataError, require, suggest
from harness.store.store import Store


@dataclass(frozen=True)
class Part:
    """What a word behind `store` does: a module of this folder with `arguments` and `work`."""

    line: str
    module: str


PARTS = {
    "ls": Part("its runs and how far they are; --nodes: its nodes and who uses them", "ls"),
    "du": Part("what it takes by sort, and what `clean` would free", "du"),
    "verify": Part("every file against the checksums of its node", "verify"),
    "clean": Part("free weights, unused nodes and leftovers that no run needs", "clean"),
    "move": Part("have it in another place, or two stores in one", "move"),
    "export": Part("a stage as a model folder for other programs", "export"),
    "unfinished": Part("the runs that have work to do, and what stays for them", "unfinished"),
    "forget": Part("let nothing stay for unfinished runs any more", "forget"),
}


def main(argv: list[str]) -> int:
    """Do what the word behind `store` says; returns the exit code or raises a HarnessError."""
    if not argv or argv[0] in ("-h", "--help"):
        print(page())
        return 0
    name, rest = argv[0], argv[1:]
    if name not in PARTS:
        near = _known() if name.startswith("-") else suggest(name, list(PARTS))
        raise ConfigError(f"harness store {name}: say first what to do{near}")
    module = import_module(f"{__name__}.{PARTS[name].module}")
    parser = Arguments(prog=f"harness store {name}", description=module.DESCRIPTION)
    root = Path(StoreConfig().root)
    parser.add_argument("--store", type=Path, default=root, help=f"the store ({root})")
    module.arguments(parser)
    options = parser.parse_args(rest)
    place = getattr(module, "place", None)  # of `move`, which has several
    root, flag = place(options) if place else (options.store, "--store")
    return with_store(root, lambda store: module.work(store, options), flag)


def store_if_there(given: Path | None) -> Store | None:
    """The store that was named, which has to be there; else the usual one, if it is."""
    root = given or Path(StoreConfig().root)
    if root.is_dir():
        return Store(root)
    if given is not None:
        raise ConfigError(f"--store: there is no folder {given}")
    return None


def with_store(root: Path, work: Callable[[Store], int], flag: str = "--store") -> int:
    """Do something with a store that is there; what its files refuse is one line. Raises
    ConfigError or DataError."""
    require(root.is_dir(), f"{flag}: there is no folder {root}")
    try:
        return work(Store(root))
    except BrokenPipeError:  # of what is printed
        raise
    except OSError as error:  # somebody else's store, or one that can only be read
        raise DataError(f"{error.filename or root}: {error.strerror or error}") from error


def page() -> str:
    """What there is, a line each."""
    lines = [f"  {name:<11} {part.line}" for name, part in PARTS.items()]
    first = "usage: harness store WHAT [--store ROOT] [options]"
    return "\n".join([first, "", *lines, "", "`harness store WHAT --help` explains one."])


def _known() -> str:
    return f"; known: {', '.join(PARTS)}"
