"""Read predictions that were made elsewhere, for `harness score`."""

import json
import sys
from pathlib import Path
from typing import Any

from harness.errors import DataError, first_line

# What we call a list, and what the result files of TRACE's reference code call it.
KEYS = {"predictions": "results", "answers": "labels", "prompts": "prompts"}
SHAPE = '{"predictions": [...], "answers": [...], "prompts": [...]}'
STDIN = "-"


def read_predictions(name: str) -> list[dict[str, str]]:
    """One {"prediction", "answer"} per item, with "prompt" where the file has prompts.

    name: a JSON file in UTF-8 with {"predictions", "answers"} and maybe "prompts", lists of strings
        of equal length, or TRACE's {"results", "labels", "prompts"}; "-" is standard input.

    Raises DataError naming the file, the list and the item.
    """
    place = "standard input" if name == STDIN else name
    content = _parse(place, _read(name))
    lists = {key: _texts(place, key, content) for key in KEYS if _name_in(key, content)}
    for key in ("predictions", "answers"):
        if key not in lists:
            raise DataError(f"{place}: no '{key}'; it must hold {SHAPE}")
    count = len(lists["predictions"])
    for key, texts in lists.items():
        if len(texts) != count:
            raise DataError(f"{place}: {count} predictions but {len(texts)} {key}; give one each")
    if not count:
        raise DataError(f"{place}: holds no predictions; a mean needs at least one")
    return [
        dict(zip((key.removesuffix("s") for key in lists), texts, strict=True))
        for texts in zip(*lists.values(), strict=True)
    ]


def _read(name: str) -> bytes:
    if name == STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except FileNotFoundError:
        raise DataError(f"{name}: no such file; give a JSON file that holds {SHAPE}") from None
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror or error}") from None


def _parse(place: str, raw: bytes) -> dict[str, Any]:
    try:
        content = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not UTF-8 text ({error.reason} at byte {error.start})") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise DataError(f"{place}: not JSON: {error.msg} ({where})") from None
    except (RecursionError, ValueError) as error:  # nested too deeply, a number of 5,000 digits
        raise DataError(f"{place}: cannot be read as JSON: {first_line(error)}") from None
    if not isinstance(content, dict):
        raise DataError(f"{place}: holds a JSON {type(content).__name__}, it must hold {SHAPE}")
    return content


def _name_in(key: str, content: dict[str, Any]) -> str | None:
    return next((name for name in (key, KEYS[key]) if name in content), None)


def _texts(place: str, key: str, content: dict[str, Any]) -> list[str]:
    name = str(_name_in(key, content))
    texts = content[name]
    if not isinstance(texts, list):
        raise DataError(
            f"{place}: '{name}' is {type(texts).__name__}, it must be a list of strings"
        )
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            kind = type(text).__name__
            raise DataError(f"{place}: item {index} of '{name}' is {kind}, it must be a string")
    return texts
