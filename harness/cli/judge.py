"""`harness judge`: compare two files of answers, without a run."""

import argparse
import json
import re
import sys
import time
from dataclasses import fields
from pathlib import Path

from harness.cli.arguments import Arguments, results_folder
from harness.config import Device, JudgeBackend, JudgeConfig
from harness.config.fields import help_of
from harness.config.machine import gpu_count
from harness.errors import ConfigError, DataError
from harness.evaluation.judge.cache import Cache
from harness.evaluation.judge.http import HttpJudge
from harness.evaluation.judge.judging import Backend, judge_pairs
from harness.evaluation.judge.local import LocalJudge
from harness.evaluation.judge.pairs import pair_up, read_predictions
from harness.evaluation.judge.prompts import RUBRICS
from harness.evaluation.judge.settings import MODEL, check_judge, local_model
from harness.models.hub import OVERRIDES, is_hub, require_model
from harness.store.files import write_json

_DESCRIPTION = """\
Judge the answers of one file against those of another, in both orders: win, tie, lose, net win and
the judge's inconsistency as one JSON object. A file is predictions.jsonl of an eval node, or
{"prompts": [...], "results": [...]}. With --base-url an endpoint judges, whose key comes from the
environment; without, a model on this machine."""


def main(argv: list[str]) -> int:
    """Judge, print the rates, write them with --out; return 0 or raise."""
    options = _parser().parse_args(argv)
    try:
        return _compare(options)
    except ConfigError as error:
        raise type(error)(_by_flag(str(error), options.model)) from error


def _by_flag(text: str, model: str) -> str:
    """A message about a key of the configuration, in the words of this command line."""
    keys = rf"\bjudge\.({'|'.join(_SETTINGS)})\b"
    flags = re.sub(keys, lambda found: _flag(found[1]), text)
    return flags.replace(OVERRIDES, f"judge=local judge.model={model} suite=[]")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _compare(options: argparse.Namespace) -> int:
    judge = JudgeConfig(
        backend=JudgeBackend.http if options.base_url else JudgeBackend.local,
        **{name: value for name, value in vars(options).items() if name in _SETTINGS},
    )
    check_judge(judge)
    device = _device(Device(options.device))
    model = local_model(judge)
    if model is not None and is_hub(model):
        require_model(model, MODEL)
    try:
        pairs = pair_up(_read(options.candidate), _read(options.baseline))
    except ValueError as error:
        raise DataError(f"{options.candidate} and {options.baseline}: {error}") from error
    cache = Cache(Path(judge.cache or results_folder() / "judge.sqlite"))
    local = judge.backend is JudgeBackend.local
    backend: Backend = LocalJudge(judge, device) if local else HttpJudge(judge)
    found = judge_pairs(pairs, options.rubric, judge, backend, cache, _Progress())
    result = {
        "pairs": len(pairs),
        **{str(row["metric"]): row["value"] for row in found.rows()},
        "net_win_stderr": next(r["stderr"] for r in found.rows() if r["metric"] == "net_win"),
        **found.usage,
    }
    if options.out:
        write_json(options.out, result)
    print(json.dumps(result, indent=2))
    if result["malformed"] == 1.0:
        print("warning: no reply of the judge held a verdict", file=sys.stderr)
    return 0


def _device(chosen: Device) -> str:
    """'cuda' or 'cpu'. Raises ConfigError where the GPU that is asked for is not there."""
    gpus = 0 if chosen is Device.cpu else gpu_count()
    if chosen is Device.cuda and gpus == 0:
        raise ConfigError("--device=cuda, but there is no GPU here; use --device=cpu")
    return "cuda" if gpus else "cpu"


class _Progress:
    """One line on standard error: how many judgements, and the time left."""

    def __init__(self) -> None:
        self.started = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        left = (time.monotonic() - self.started) / done * (total - done)
        text = f"judged {done} of {total}, left {int(left) // 60}:{int(left) % 60:02d}"
        if sys.stderr.isatty():
            print(f"\r{text} ", end="\n" if done == total else "", file=sys.stderr, flush=True)
        elif done == total or done % 50 == 0:
            print(text, file=sys.stderr)


def _read(path: Path) -> list[tuple[str, str]]:
    """(question, answer) pairs of a file in either form. Raises DataError."""
    try:
        if path.suffix == ".jsonl":
            return read_predictions(path)
        content = json.loads(path.read_text(encoding="utf-8"))
        prompts, results = content["prompts"], content["results"]
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(
            f"{path}: neither a node's predictions.jsonl nor "
            f'{{"prompts": [...], "results": [...]}} ({type(error).__name__}: {error})'
        ) from error
    if len(prompts) != len(results):
        raise DataError(f"{path}: {len(prompts)} prompts, but {len(results)} results")
    return [(str(p), str(r)) for p, r in zip(prompts, results, strict=True)]


_SETTINGS = [spec.name for spec in fields(JudgeConfig) if spec.name != "backend"]


def _parser() -> Arguments:
    parser = Arguments(prog="harness judge", description=_DESCRIPTION)
    parser.add_argument("--candidate", type=Path, required=True, help="answers of the later stage")
    parser.add_argument("--baseline", type=Path, required=True, help="answers to compare with")
    parser.add_argument("--rubric", choices=sorted(RUBRICS), default="helpful")
    parser.add_argument("--out", type=Path, help="also write the JSON object there")
    parser.add_argument(
        "--device",
        choices=[str(item) for item in Device],
        default=str(Device.auto),
        help=f"local: where the model runs: {Device.listed()}",
    )
    for spec in fields(JudgeConfig):
        if spec.name == "backend":
            continue
        if "bool" in str(spec.type):
            parser.add_argument(_flag(spec.name), action="store_true", help=help_of(spec))
            continue
        kind = float if "float" in str(spec.type) else int if "int" in str(spec.type) else str
        told = help_of(spec)
        parser.add_argument(_flag(spec.name), type=kind, default=spec.default, help=told)
    return parser
