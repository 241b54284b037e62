"""A configuration is written down and printed: it holds no secret."""

from pathlib import Path

import pytest
from support.command import refused

from harness.config.compose.compose import load
from harness.config.secrets import refuse_secrets
from harness.errors import ConfigError

VALUE = "sk-0123456789"


@pytest.mark.parametrize(
    "name",
    ["JUDGE_API_KEY", "HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "token"],
)
@pytest.mark.parametrize(
    "word",
    ["experiment=x", "judge.model={}", "model.name='a {} b'", "judge.base_url=https://h/{}/v1"],
)
def test_the_value_of_such_a_variable_is_refused_and_not_repeated(
    name: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, VALUE)
    if word == "experiment=x":
        load([])
        return
    key = word.partition("=")[0]
    for written in (VALUE, f"${{oc.env:{name}}}"):
        for verb in (["plan"], ["--cfg", "job", "--resolve"]):
            line = refused(*verb, word.replace("{}", written))
            assert f"{key}: holds what the environment variable {name} does" in line
            assert VALUE not in line


def test_the_variable_that_the_judge_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", VALUE)
    load([f"judge.model={VALUE}"])
    with pytest.raises(ConfigError, match="environment variable MINE"):
        load([f"judge.model={VALUE}", "judge.key_variable=MINE"])


def test_an_address_with_a_password() -> None:
    line = refused("plan", "model.path=https://me:hunter22@host/model")
    assert "model.path: an address with a password in it" in line
    assert "hunter22" not in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKENIZERS_PARALLELISM", "false-or-true"),
        ("MY_KEY", "none"),
        ("KEYBOARD", "layout-of-mine"),
    ],
)
def test_other_variables_are_none(name: str, value: str) -> None:
    refuse_secrets({"judge": {}, "model": {"name": value}}, {name: value})


def test_an_error_does_not_repeat_the_password_of_an_address(tmp_path: Path) -> None:
    words = ["data", "trace", "--download", "--out", str(tmp_path)]
    line = refused(*words, "--url", "http://me:hunter22@127.0.0.1:1/trace.zip")
    assert "http://***@127.0.0.1:1/trace.zip" in line
    assert "hunter22" not in line
