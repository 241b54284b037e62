"""A configuration is written down and printed: it holds no secret."""

from pathlib import Path

import pytest
from support.command import refused

from harness.config.compose.compose import load
from harness.config.secrets import refuse_secrets
from harness.errors import ConfigError

VALUE = "sk-0123456789abcdef"


@pytest.mark.parametrize(
    "name",
    [
        "JUDGE_API_KEY",
        "HF_TOKEN",
        "WANDB_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "DB_PASSWORD",
        "my_token",
    ],
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
        ("TOKENIZERS_PARALLELISM", "false-or-true-0123456789"),
        ("MY_KEY", "none"),
        ("KEYBOARD", "layout-of-mine-0123456789"),
        ("KEY", "micro_arithmetic_2026"),
        ("TOKEN", "micro_arithmetic_2026"),
        ("RUN_KEY", "sequential"),
        ("RUN_KEY", "sequential_fine_tuning"),
        ("DATASET_KEY", "data/micro"),
        ("DATASET_KEY", "data/micro/of/2026/in/a/folder"),
        ("SSH_KEY_DIR", "/work"),
        ("SSH_KEY_FILE", "id_of_the_host_2026"),
        ("DEPLOY_KEY_PATH", "id_of_the_host_2026"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/path"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "service_account_2026.json"),
    ],
)
def test_other_variables_are_none(name: str, value: str) -> None:
    refuse_secrets({"judge": {}, "model": {"name": value}}, {name: value})


def test_a_path_that_is_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = "service_account_2026"
    with pytest.raises(ConfigError, match="MY_KEY"):
        refuse_secrets({"model": {"name": value}}, {"MY_KEY": value})
    (tmp_path / value).touch()
    monkeypatch.chdir(tmp_path)
    refuse_secrets({"model": {"name": value}}, {"MY_KEY": value})


def test_names_of_keys_are_none() -> None:
    refuse_secrets({"task": {VALUE: {"shots": 1}}}, {"MY_KEY": VALUE})


@pytest.mark.parametrize(
    ("value", "counts"),
    [
        ("sequential", False),
        ("abcdefghijkl", False),
        ("abcdefghijklm", True),
        ("hunter22", True),
        ("short1", False),
    ],
)
def test_the_judge_s_variable_may_hold_any_word_but_an_ordinary_one(
    value: str, counts: bool
) -> None:
    config = {"judge": {"key_variable": "KEY"}, "model": {"name": f"a {value} b"}}
    if counts:
        with pytest.raises(ConfigError, match="environment variable KEY"):
            refuse_secrets(config, {"KEY": value})
    else:
        refuse_secrets(config, {"KEY": value})


def test_an_error_does_not_repeat_the_password_of_an_address(tmp_path: Path) -> None:
    words = ["data", "trace", "--download", "--out", str(tmp_path)]
    line = refused(*words, "--url", "http://me:hunter22@127.0.0.1:1/trace.zip")
    assert "http://***@127.0.0.1:1/trace.zip" in line
    assert "hunter22" not in line
