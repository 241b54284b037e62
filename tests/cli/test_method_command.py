"""`harness method`: presets and their parameters, told from the files themselves."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli.method import main
from harness.config import MethodConfig
from harness.config.compose.compose import load
from harness.config.places import option_names, own_folders
from harness.errors import ConfigError
from harness.methods.edits.loading import load_edit
from harness.methods.loading import load_strategies


def test_every_preset_is_listed_with_its_explanation(capsys):
    main([])
    listed = capsys.readouterr().out
    assert all(f"\n{name} " in f"\n{listed}" for name in option_names("method", []))
    assert "(no explanation)" not in listed


@pytest.mark.parametrize("name", option_names("method", []))
def test_what_a_page_prints_is_the_whole_preset(name: str, capsys) -> None:
    """Given on the command line to plain fine-tuning, the printed settings make the preset."""
    main([name])
    lines = [line.strip().lstrip("+") for line in capsys.readouterr().out.splitlines()]
    lines = [line.partition("  (or")[0] for line in lines if line.startswith("method.")]
    targets = [line.split(" = ") for line in lines if " = " in line]
    given = [f"++{key}._target_={path}" for key, path in targets]
    adapted = any(line.startswith("method.adapter.") for line in lines)
    given += ["method=lora_seqft" if adapted else "method=seqft"]
    given += [f"++{line}" for line in lines if " = " not in line]
    preset, rebuilt = load([f"method={name}"]).method, load(given).method
    assert _objects(rebuilt) == _objects(preset)
    assert _frame(rebuilt) == _frame(preset)


def _objects(method: MethodConfig) -> list[object]:
    edits = [load_edit(spec) for spec in method.edits.values()]
    return [*load_strategies(method).items(), *edits]


def _frame(method: MethodConfig) -> MethodConfig:
    return replace(method, name="", strategies={}, edits={})


def test_an_alias_is_printed_beside_the_parameter_it_sets(capsys):
    main(["sfa"])
    page = capsys.readouterr().out
    assert "method.sfa.beta=0.25  (or method.beta=...)" in page
    assert "arXiv 2501.05559" in page
    assert "theta <- (1 - beta) theta + beta anchor" in page


def test_presets_of_a_folder_of_ones_own(tmp_path, capsys):
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "gentle.yaml").write_text(
        "# A gentler SFA.\ndefaults: [sfa]\nbeta: 0.1\n"
    )
    main(["gentle", "code.allow=[my_gentle]", "--config-dir", str(tmp_path)])
    page = capsys.readouterr().out
    assert "A gentler SFA." in page
    assert "method.sfa.beta=0.1" in page


def test_an_unknown_preset_is_one_line():
    with pytest.raises(ConfigError, match="unknown method 'sfq'; did you mean 'sfa'"):
        main(["sfq"])


def test_a_class_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """Without docstring, with a parameter that has no default and one that is a list."""
    (tmp_path / "my_gentle.py").write_text(
        "from dataclasses import dataclass, field\nfrom harness.methods.base import Strategy\n\n"
        "@dataclass\nclass Gentle(Strategy):\n    beta: float\n"
        "    names: list[str] = field(default_factory=lambda: ['a', 'b'])\n    on: bool = True\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "method").mkdir()
    preset = "name: gentle\ngentle: {_target_: my_gentle.Gentle}\n"
    (tmp_path / "method" / "gentle.yaml").write_text(preset)
    main(["gentle", "code.allow=[my_gentle]", "--config-dir", str(tmp_path)])
    page = capsys.readouterr().out
    assert "+method.gentle.beta=...  (to be given)" in page
    assert "+method.gentle.names=[a,b]" in page
    assert "+method.gentle.on=true" in page
    assert "Gentle(" not in page
    with pytest.raises(ConfigError, match=r"method.gentle.beta: no value"):
        load_strategies(load([*own_folders([str(tmp_path)]), "method=gentle"]).method)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["[sfa,replay]"], "unknown method '[sfa,replay]'"),
        (["../method/sfa"], "unknown method '../method/sfa'"),
        (["--config-dir", "/nope"], "--config-dir: there is no folder /nope"),
    ],
)
def test_wrong_words_are_one_line(words: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        main(words)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
