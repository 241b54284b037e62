"""Several config folders of the user's own are all read, wherever they stand."""

from pathlib import Path

import pytest
from support.command import harness

from harness.config.places import own_folders, search_path
from harness.errors import ConfigError

FOLDERS = {"first": "calm: {_target_: ewc, strength: 2}", "second's": "wild: {_target_: replay}"}


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    made = []
    for (name, part), preset in zip(FOLDERS.items(), ("calm", "wild"), strict=True):
        (tmp_path / name / "method").mkdir(parents=True)
        (tmp_path / name / "method" / f"{preset}.yaml").write_text(f"name: {preset}\n{part}\n")
        made.append(str(tmp_path / name))
    return made


def flags(folders: list[str]) -> list[str]:
    return [f"--config-dir={folders[0]}", "-cd", folders[1]]


def test_both_are_read_by_every_verb(folders: list[str], tmp_path: Path) -> None:
    store = f"store.root={tmp_path / 'store'}"
    done = harness("plan", "-m", *flags(folders), "method=calm,wild", "suite=[]", store)
    assert done.returncode == 0, done.stderr
    assert ": calm on micro8" in done.stdout
    assert ": wild on micro8" in done.stdout
    done = harness(*flags(folders), "method", "calm", "wild")
    assert done.returncode == 0, done.stderr
    assert "method.calm.strength=2" in done.stdout
    assert "method.wild = replay" in done.stdout


def test_hydra_reads_both(folders: list[str]) -> None:
    done = harness(*flags(folders), "method=[calm,wild]", "--cfg", "job", "-p", "method")
    assert done.returncode == 0, done.stderr
    assert "calm:" in done.stdout
    assert "wild:" in done.stdout


def test_they_join_a_search_path_that_is_given(folders: list[str], tmp_path: Path) -> None:
    given = [f"hydra.searchpath=[file://{tmp_path}]", "seed=1"]
    joined = own_folders(folders, given)
    assert joined[1:] == ["seed=1"]
    assert search_path(joined) == [Path(folders[0]), Path(folders[1]), tmp_path]
    assert own_folders([], given) == given


def test_each_has_to_be_there(folders: list[str]) -> None:
    with pytest.raises(ConfigError, match="--config-dir: there is no folder /nope"):
        own_folders([folders[0], "/nope"])


def test_an_option_that_is_there_twice_is_refused(folders: list[str], tmp_path: Path) -> None:
    """Hydra would take the first in silence; a folder that is named twice is one."""
    words = ["plan", *flags(folders), "suite=[]", f"store.root={tmp_path / 'store'}"]
    double = Path(folders[1]) / "method" / "calm.yaml"
    double.write_text("name: calm\n")
    done = harness(*words, "method=calm")
    first = Path(folders[0]) / "method" / "calm.yaml"
    told = f"error: method=calm may be {first} and {double}; rename or remove all but one\n"
    assert (done.returncode, done.stderr) == (2, told)
    double.rename(double.with_name("ewc.yaml"))
    done = harness(*words, "method=ewc")
    assert done.stderr.startswith("error: method=ewc may be /")
    assert harness(*words, f"-cd={folders[1]}", "method=wild").returncode == 0
