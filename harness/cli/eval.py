"""`harness eval`: score checkpoints that were trained elsewhere as the stages of a sequence."""

from dataclasses import replace

from harness.cli.overrides import parser, read
from harness.cli.run import run
from harness.errors import ConfigError

_DESCRIPTION = """\
checkpoints=[a,b,...] names the folder of every stage in the order of the sequence, each a model or
a PEFT adapter; it stands for method=foreign method.checkpoints=[a,b,...]. Nothing is trained. All
other keys are those of a run."""
_EXAMPLES = (
    "eval checkpoints=[stage1,stage2] sequence=micro2 suite=[]",
    "eval checkpoints=[a,b] model.path=initial task=[micro_units,micro_code] method.name=theirs",
)


def main(argv: list[str]) -> int:
    """Score them; returns the exit code or raises."""
    made = parser("eval", _DESCRIPTION, *_EXAMPLES)
    made.set_defaults(cfg=None, info=None, hydra_help=False, resolve=False, package=None)
    words = read(made, argv)
    given = [word for word in words.overrides if word.startswith("checkpoints=")]
    if not given or any(word.partition("=")[2].strip() in ("", "null", "[]") for word in given):
        raise ConfigError("harness eval: give the folder of every stage, checkpoints=[a,b,...]")
    rest = [word for word in words.overrides if word not in given]
    chosen = ["method=foreign", *(f"method.{word}" for word in given)]
    return run(replace(words, overrides=[*rest, *chosen]))
