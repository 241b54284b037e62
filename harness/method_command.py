"""`harness method`: the presets, and what one is made of: its paper, equations and parameters."""

import inspect
import textwrap
from dataclasses import fields
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from harness.compose import compose_job
from harness.conf import conf_dir, option_names
from harness.config import MethodConfig
from harness.method_config import preset_aliases
from harness.methods.loading import load_object
from harness.metrics.arguments import Arguments

_DESCRIPTION = """\
Without a name: the presets, a line each. With names: for each its file's explanation, what it sets,
and for every strategy or edit in it the class, its equation and its parameters as set."""


def main(argv: list[str]) -> int:
    """Print the list of presets or the pages of those named; returns 0 or raises ConfigError."""
    parser = Arguments(prog="harness method", description=_DESCRIPTION)
    parser.add_argument("names", nargs="*", help="presets, for example sfa replay")
    parser.add_argument("--config-dir", type=Path, help="a config folder of your own besides")
    options = parser.parse_args(argv)
    own = options.config_dir
    search = [f"hydra.searchpath=[file://{own.resolve()}]"] if own else []
    if options.names:
        print("\n\n".join(_page(name, own, search) for name in options.names))
        return 0
    for name in option_names("method", search):
        told = " ".join(_explained(name, own))
        print(textwrap.fill(f"{name:<16} {told}", 100, subsequent_indent=" " * 17))
    return 0


def _page(name: str, own: Path | None, search: list[str]) -> str:
    """One preset: how it is chosen, the comment of its file, its keys, its strategies and edits."""
    composed = compose_job([*search, f"method={name}"]).method
    method = OmegaConf.to_container(composed, enum_to_str=True)
    lines = [f"method={name}", *(f"  {line}" for line in _explained(name, own))]
    lines += [f"  method.{key}={value}" for key, value in _frame(method).items()]
    aliases = {alias: method[alias] for alias in preset_aliases(method)}
    for key, value in method.items():
        if isinstance(value, dict) and "_target_" in value:
            lines += _part(key, value, aliases)
    return "\n".join(lines)


def _explained(name: str, own: Path | None) -> list[str]:
    """The comment at the head of a preset's file."""
    folders = [conf_dir(), *([own] if own else [])]
    files = [folder / "method" / f"{name}.yaml" for folder in folders]
    text = next(path for path in files if path.is_file()).read_text()
    head = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        head.append(line.removeprefix("#").strip())
    return head or ["(no explanation)"]


def _frame(method: dict[str, Any]) -> dict[str, Any]:
    """What the preset sets besides strategies and edits: dotted keys whose values are not the
    defaults."""
    usual = OmegaConf.to_container(OmegaConf.structured(MethodConfig), enum_to_str=True)
    found: dict[str, Any] = {}
    for key, default in usual.items():
        value = method.get(key, default)
        if isinstance(value, dict):
            default = default or {}
            found |= {f"{key}.{k}": v for k, v in value.items() if v != default.get(k, ...)}
        elif value != default and key != "name":
            found[key] = value
    return found


def _part(key: str, spec: dict[str, Any], aliases: dict[str, Any]) -> list[str]:
    """A strategy or an edit: class, the docstrings of module and class, its parameters."""
    kind = load_object(spec["_target_"], f"method.{key}._target_")
    texts = [inspect.getdoc(inspect.getmodule(kind)), inspect.getdoc(kind)]
    lines = ["", f"  method.{key} = {spec['_target_']}", ""]
    for text in filter(None, texts):
        lines += [*(f"    {line}".rstrip() for line in text.splitlines()), ""]
    for field in fields(kind):
        if field.init and field.name != "version":
            value = spec.get(field.name, getattr(field.default, "value", field.default))
            alias = next((name for name in aliases if value == f"${{method.{name}}}"), None)
            short = f"  (or method.{alias}=...)" if alias else ""
            value = aliases.get(alias, value)
            lines.append(
                f"    method.{key}.{field.name}={'null' if value is None else value}{short}"
            )
    return lines
