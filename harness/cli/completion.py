"""`harness completion`: what a shell needs to complete verbs, groups, options and keys."""

from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from harness.cli.arguments import Arguments
from harness.cli.verbs import VERBS
from harness.config import HarnessConfig
from harness.config.choices import Choice
from harness.config.places import config_groups, option_names

# What stands behind the cursor's word is not asked for: `=` and `,` divide words for these shells.
_BASH = """\
_harness() {
    local word="${COMP_LINE:0:COMP_POINT}"
    word="${word##*[[:space:]]}"
    local cut="${word%"${COMP_WORDS[COMP_CWORD]#=}"}"
    local IFS=$'\\n'
    COMPREPLY=($(harness completion words "$COMP_CWORD" "$word" 2>/dev/null))
    COMPREPLY=("${COMPREPLY[@]#"$cut"}")
    [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -F _harness harness
"""
_ZSH = """\
_harness() {
    local -a found
    found=("${(@f)$(harness completion words "$((CURRENT - 1))" "${words[CURRENT]}" 2>/dev/null)}")
    compadd -Q -S '' -- $found
}
compdef _harness harness
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH}
_DESCRIPTION = """\
Print what makes a shell complete the command `harness`, for the file that it reads at its start:
`eval "$(harness completion bash)"` in ~/.bashrc, `eval "$(harness completion zsh)"` in ~/.zshrc."""


def main(argv: list[str]) -> int:
    """Print a shell's script, or for it the words that may stand at a place."""
    if argv[:1] == ["words"] and len(argv) == 3 and argv[1].isdigit():
        print("\n".join(found(int(argv[1]), argv[2])))
        return 0
    parser = Arguments(prog="harness completion", description=_DESCRIPTION)
    parser.add_argument("shell", choices=sorted(_SCRIPTS))
    print(_SCRIPTS[parser.parse_args(argv).shell], end="")
    return 0


def found(place: int, begun: str) -> list[str]:
    """What a word may be that begins like this, the first one behind the command at place 1."""
    key, equals, value = begun.partition("=")
    if equals:
        head, comma, last = value.rpartition(",")
        bracket = "[" if not comma and last.startswith("[") else ""
        options = option_names(key, []) if key in config_groups() else _keys().get(key, [])
        before = f"{key}={head}{comma}{bracket}"
        return [before + one for one in options if one.startswith(last.removeprefix(bracket))]
    verbs = list(VERBS) if place == 1 else []
    keys = [f"{name}=" for name in (*config_groups(), *_keys())]
    return sorted({word for word in (*verbs, *keys) if word.startswith(begun)})


@cache
def _keys() -> dict[str, list[str]]:
    """Every dotted key -> the words that its value is one of; none where it may be anything."""
    return _below(HarnessConfig, "")


def _below(section: Any, prefix: str) -> dict[str, list[str]]:
    keys, hints = dict[str, list[str]](), get_type_hints(section)
    for spec in fields(section):
        name, hint = f"{prefix}{spec.name}", hints[spec.name]
        kinds = [hint] if get_origin(hint) in (list, dict, None) else list(get_args(hint))
        inner = next((kind for kind in kinds if is_dataclass(kind)), None)
        if inner is None:
            keys[name] = [word for kind in kinds for word in _words(kind)]
        else:
            keys |= _below(inner, f"{name}.")
    return keys


def _words(kind: Any) -> list[str]:
    if kind is bool:
        return ["true", "false"]
    closed = isinstance(kind, type) and issubclass(kind, Choice)
    return [str(word.value) for word in kind] if closed else []
