"""`harness method`: the presets, and what one is made of: its paper, equations and parameters."""

import inspect
import textwrap
from dataclasses import MISSING, Field, fields
from typing import Any

from omegaconf import OmegaConf

from harness.cli.arguments import Arguments
from harness.cli.say import say
from harness.config import MethodConfig
from harness.config.allowed import KEY
from harness.config.compose.compose import compose_job
from harness.config.compose.method_group import is_edit, preset_aliases
from harness.config.objects import load_class
from harness.config.places import option_files, option_names, own_folders
from harness.config.plugins import broken
from harness.errors import ConfigError, suggest
from harness.methods.base import Strategy
from harness.methods.edits.base import Edit

_DESCRIPTION = """\
Without a name: the presets, a line each. With names: for each its file's explanation, what it sets,
and for every strategy or edit in it the class, its equation and its parameters as set."""


def main(argv: list[str]) -> int:
    """Print the list of presets or the pages of those named; returns 0 or raises ConfigError."""
    parser = Arguments(prog="harness method", description=_DESCRIPTION)
    parser.add_argument(
        "names", nargs="*", help=f"presets, for example sfa replay; {KEY}=[my_module] for your own"
    )
    told = "a config folder of your own besides; may be given several times"
    parser.add_argument("-cd", "--config-dir", action="append", default=[], help=told)
    options = parser.parse_args(argv)
    words = [word for word in options.names if word.startswith(f"{KEY}=")]
    names = [word for word in options.names if word not in words]
    search = own_folders(options.config_dir, words)
    if names:
        say("\n\n".join(_page(name, search) for name in names))
        return 0
    for name in option_names("method", search):
        told = " ".join(_explained(name, search))
        say(textwrap.fill(f"{name:<16} {told}", 100, subsequent_indent=" " * 17))
    return 0


def _page(name: str, search: list[str]) -> str:
    """One preset: how it is chosen, the comment of its file, its keys, its strategies and edits."""
    presets = option_names("method", search)
    if name not in presets:
        told = suggest(name, presets)
        listed = told if "mean" in told else "; `python -m harness method` lists them"
        raise ConfigError(f"unknown method '{name}'{listed}{broken()}")
    composed = compose_job([*search, f"method={name}"]).method
    method = OmegaConf.to_container(composed, enum_to_str=True)
    lines = [f"method={name}", *(f"  {line}" for line in _explained(name, search))]
    lines += [f"  method.{key}={_written(value)}" for key, value in _frame(method).items()]
    aliases = {alias: method[alias] for alias in preset_aliases(method)}
    for key, value in method.items():
        if isinstance(value, dict) and "_target_" in value:
            lines += _part(key, value, aliases)
    return "\n".join(lines)


def _explained(name: str, search: list[str]) -> list[str]:
    """The comment at the head of a preset's file."""
    text = option_files("method", search)[name].read_text()
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
    kind = load_class(spec, Edit if is_edit(key, spec) else Strategy, f"method.{key}")
    own = "" if kind.__doc__.startswith(f"{kind.__name__}(") else inspect.getdoc(kind)
    texts = [inspect.getdoc(inspect.getmodule(kind)), own]
    lines = ["", f"  method.{key} = {spec['_target_']}", ""]
    for text in filter(None, texts):
        lines += [*(f"    {line}".rstrip() for line in text.splitlines()), ""]
    for field in fields(kind):
        if field.init:
            lines.append("    " + _parameter(f"method.{key}.{field.name}", field, spec, aliases))
    return lines


def _parameter(name: str, field: Field[Any], spec: dict[str, Any], aliases: dict[str, Any]) -> str:
    """A parameter as it would be written: what the preset leaves to the class takes a plus sign."""
    if field.name in spec:
        value = spec[field.name]
        alias = next((short for short in aliases if value == f"${{method.{short}}}"), None)
        told = f"{name}={_written(aliases.get(alias, value))}"
        return f"{told}  (or method.{alias}=...)" if alias else told
    if field.default is MISSING and field.default_factory is MISSING:
        return f"+{name}=...  (to be given)"
    made = field.default if field.default_factory is MISSING else field.default_factory()
    return f"+{name}={_written(getattr(made, 'value', made))}"


def _written(value: Any) -> str:
    """A value in the grammar of overrides."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}: {_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_written, value)) + "]"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)
