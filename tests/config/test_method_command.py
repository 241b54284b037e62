"""`harness method`: presets and their parameters, told from the files themselves."""

import pytest

from harness.compose import load
from harness.conf import option_names
from harness.errors import ConfigError
from harness.method_command import main


def test_every_preset_is_listed_with_its_explanation(capsys):
    main([])
    listed = capsys.readouterr().out
    assert all(f"\n{name} " in f"\n{listed}" for name in option_names("method", []))
    assert "(no explanation)" not in listed


@pytest.mark.parametrize("name", option_names("method", []))
def test_the_printed_parameters_compose_to_the_preset_itself(name, capsys):
    """What a page prints can be given back on the command line, and changes nothing."""
    main([name])
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    printed = [line.partition("  (or")[0] for line in lines if line.startswith("method.")]
    settings = [line for line in printed if "=" in line and " = " not in line and "{" not in line]
    given = ["method.checkpoints=[a]"] if name == "foreign" else []
    preset = load([f"method={name}", *given]).method
    # A parameter that the preset leaves to its class needs a plus sign.
    again = load([f"method={name}", *given, *(f"++{line}" for line in settings)]).method
    for key, spec in {**preset.strategies, **preset.edits}.items():
        told = {**again.strategies, **again.edits}[key]
        assert spec.items() <= told.items()
    assert (again.adapter, again.prompting) == (preset.adapter, preset.prompting)


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
    main(["gentle", "--config-dir", str(tmp_path)])
    page = capsys.readouterr().out
    assert "A gentler SFA." in page
    assert "method.sfa.beta=0.1" in page


def test_an_unknown_preset_is_one_line():
    with pytest.raises(ConfigError, match="unknown method 'sfq'; did you mean 'sfa'"):
        main(["sfq"])
