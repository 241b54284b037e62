"""The configuration is frozen: nothing in a run can change what was checked."""

import ast
import re
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from typing import Any

import pytest
from support.places import REPOSITORY

from harness import config as schema
from harness.config import HarnessConfig, MethodConfig, from_plain
from harness.config.compose.compose import load
from harness.config.plain import plain


def sections(value: Any) -> list[Any]:
    """A configuration and all that it is made of."""
    found = [value] if is_dataclass(value) else []
    inner = [getattr(value, spec.name) for spec in fields(value)] if found else []
    inner += list(value.values()) if isinstance(value, dict) else []
    return found + [section for item in inner for section in sections(item)]


def test_no_field_of_any_section_can_be_set_or_deleted() -> None:
    config = load(["method=[sfa,lora_seqft]", "model=llama2-7b-chat"])
    found = sections(config)
    kinds = {name for name in vars(schema) if name.endswith("Config")}
    assert {type(section).__name__ for section in found} >= kinds
    for section in found:
        for spec in fields(section):
            with pytest.raises(FrozenInstanceError):
                setattr(section, spec.name, getattr(section, spec.name))
            with pytest.raises(FrozenInstanceError):
                delattr(section, spec.name)


def test_another_one_is_made_by_replace() -> None:
    config = load([])
    other = replace(config, seed=5, train=replace(config.train, batch_size=3))
    assert (other.seed, other.train.batch_size) == (5, 3)
    assert (config.seed, config.train.batch_size) != (5, 3)
    assert replace(other, seed=config.seed, train=config.train) == config


def test_the_type_of_the_method_is_what_is_written() -> None:
    (kind,) = (spec.type for spec in fields(HarnessConfig) if spec.name == "method")
    config = load(["method=[replay,ewc]"])
    assert kind is MethodConfig
    assert type(config) is HarnessConfig
    assert type(config.method) is MethodConfig
    assert type(from_plain(plain(config)).method) is MethodConfig


def test_no_code_sets_a_field_of_a_configuration() -> None:
    """`config.x = ...` and `self.config.x = ...`, wherever they stand in the package."""
    own, found = re.compile(r"(self\.)?config\.[a-z]"), []
    for path in (REPOSITORY / "harness").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            targets = getattr(node, "targets", [getattr(node, "target", None)])
            for target in targets if isinstance(node, ast.Assign | ast.AugAssign) else []:
                for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                    written = ast.unparse(part)
                    if isinstance(part, ast.Attribute) and own.match(written):
                        found.append(f"{path.name}: {written}")
    assert found == []
