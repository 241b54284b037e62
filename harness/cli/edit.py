"""`harness edit`: new weights from model folders; an edit's options are its class's fields."""

import argparse
import inspect
import re
import time
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

from harness.cli.arguments import Arguments
from harness.cli.display import Meter
from harness.cli.say import say
from harness.config.allowed import allow
from harness.config.objects import load_class
from harness.config.parts import Kind, load_part, parts_by_name
from harness.errors import ConfigError
from harness.methods.edits.apply import SHARD_BYTES, TYPES, apply_edit
from harness.methods.edits.base import Edit
from harness.methods.edits.loading import load_edit

_FRAME = ("name", "base", "tuned", "out", "dtype", "shard_bytes", "overwrite")


def main(argv: list[str]) -> int:
    """Apply the edit that a command line describes; returns 0 or raises a HarnessError."""
    if not argv or argv[0] in ("-h", "--help"):
        say(_overview())
        return 0
    name, rest = argv[0], argv[1:]
    _allow(name)
    load_part(name, "edit", Kind.edit)
    kind = load_class({"_target_": name}, Edit, "edit")
    options = vars(_parser(name, kind).parse_args(rest))
    given = {key: value for key, value in options.items() if key not in _FRAME}
    for parameter in kind.code_parameters:
        _allow(given.get(parameter, ""))
    edit = _load({"_target_": name} | given)
    started = time.monotonic()
    with Meter(name) as meter:
        report = apply_edit(
            edit,
            options["base"],
            options["tuned"],
            options["out"],
            meter.update,
            dtype=options["dtype"],
            shard_bytes=options["shard_bytes"],
            overwrite=options["overwrite"],
        )
    say(_as_text(edit, report, time.monotonic() - started))
    return 0


def _allow(name: str) -> None:
    """Code of the user's own that this command line names may run."""
    if module := name.rpartition(".")[0]:
        allow([module], "edit")


def _load(spec: dict[str, Any]) -> Edit:
    """The edit; what is wrong with a parameter is told of its option."""
    try:
        return load_edit(spec, "edit")
    except ConfigError as error:
        option = re.match(r"edit\.(\w+)", str(error))
        if option is None:
            raise
        told = str(error)[option.end() :]
        raise ConfigError(f"--{option[1].replace('_', '-')}{told}") from error


def _overview() -> str:
    lines = ["usage: harness edit EDIT --base A --tuned B [C ...] --out D [parameters]", ""]
    for name, edits in sorted(parts_by_name(Kind.edit).items()):
        for edit in edits:
            told = inspect.getdoc(inspect.getmodule(edit)) or "(no explanation)"
            lines.append(f"  {name:<16} {told.splitlines()[0]}")
    lines += ["", "`harness edit EDIT --help` explains its parameters; EDIT may be a dotted path."]
    return "\n".join(lines)


def _parser(name: str, kind: type[Edit]) -> Arguments:
    parser = Arguments(
        prog=f"harness edit {name}",
        description=inspect.getdoc(kind),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--base", type=Path, required=True, help="folder of the initial model")
    parser.add_argument(
        "--tuned", type=Path, nargs="+", required=True, help="folders of tuned models or adapters"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the new model")
    parser.add_argument("--overwrite", action="store_true", help="replace what --out holds")
    parser.add_argument("--dtype", choices=TYPES, help="stored type (the models' widest)")
    parser.add_argument(
        "--shard-gb",
        type=_bytes,
        dest="shard_bytes",
        default=SHARD_BYTES,
        help="largest file, in 10^9 bytes (5)",
    )
    for spec in fields(kind):
        if spec.init:
            _add_parameter(parser, spec)
    return parser


def _add_parameter(parser: Arguments, spec: Field) -> None:
    """A field as an option. Values stay text; loading the edit checks them against the types."""
    is_edit = "dict" in str(spec.type)
    parser.add_argument(
        *dict.fromkeys((f"--{spec.name.replace('_', '-')}", f"--{spec.name}")),
        dest=spec.name,
        type=_inner_edit if is_edit else str,
        nargs="+" if "list" in str(spec.type) else None,
        default=argparse.SUPPRESS,
        metavar="EDIT[,PARAMETER=VALUE]" if is_edit else "VALUE",
        help="" if spec.default is MISSING else f"default: {spec.default}",
    )


def _inner_edit(text: str) -> dict[str, str]:
    """An edit inside another one, written as ties,density=0.3."""
    name, *parameters = text.split(",")
    _allow(name)
    load_part(name, "edit", Kind.edit)
    spec = {"_target_": name}
    for parameter in parameters:
        key, equals, value = parameter.partition("=")
        if not (key and equals):
            raise ConfigError(f"{text}: '{parameter}' is not of the form parameter=value")
        spec[key] = value
    return spec


def _bytes(text: str) -> int:
    size = float(text)
    if not 0 < size < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: it must be a number of gigabytes above 0")
    return int(size * 1e9)


def _as_text(edit: Edit, report: dict[str, Any], seconds: float) -> str:
    """What was done, a line each."""
    parameters = {spec.name: getattr(edit, spec.name) for spec in fields(edit) if spec.init}
    lines = [f"{type(edit).__name__}: {_shown(parameters)}", f"base: {report['base']}"]
    lines += [f"tuned: {model}" for model in report["tuned"]]
    lines += [f"warning: {line}" for line in report["warnings"]]
    lines += [f"{key}: {_shown(value)}" for key, value in report["told"].items()]
    lines.append(
        f"{report['tensors']} tensors, {report['bytes'] / 1e9:.2f} GB in {report['files']} "
        f"file(s), {seconds:.0f} s, peak memory {report['peak_memory_bytes'] / 1e9:.2f} GB"
    )
    return "\n".join([*lines, report["out"]])


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(item)}" for key, item in value.items())
    if isinstance(value, list):
        return " ".join(_shown(item) for item in value)
    return str(value)
