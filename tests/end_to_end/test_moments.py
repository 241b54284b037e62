"""Moments that are carried from task to task (train.reset_optimizer=never), taken up by another
command: on other ranks too, and never as a pickle, which would run what is in it."""

import os
import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file
from support.command import harness
from support.places import REPOSITORY

from harness.config.compose.compose import load
from harness.run.disk import NoRoom, Room
from harness.run.parent import execute
from harness.store.layout import MOMENTS, TRANSIENT

pytestmark = pytest.mark.distributed


class Mark:
    """Unpickled, it makes a file."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.place),)


@pytest.fixture(scope="module")
def broken_off(
    tiny_model: Path, tiny_data: Path, tiny_conf: list[str], tmp_path_factory
) -> tuple[list[str], Path, Path]:
    """A run's overrides (without a store), the store that it has when it is killed behind stage 1,
    and the one that it has when it is not."""
    folder = tmp_path_factory.mktemp("moments")
    gate = folder / "gate"
    common = [
        *(*tiny_conf, f"model.path={tiny_model}", f"data.root={tiny_data}"),
        *("train.reset_optimizer=never", "train.max_steps=3", "eval.limit=1", "eval.past=ends"),
        *("code.allow=[support.gated]", "eval.stage0=false"),
        f"+method.gated={{_target_: support.gated.Gated, gate: {gate}}}",
    ]
    whole, cut = folder / "whole", folder / "cut"
    done = harness(*common, *places(whole))
    assert done.returncode == 0, done.stderr
    gate.write_text(str(folder / "nowhere"))  # holds stage 2 back
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *common, *places(cut)],
        env=os.environ | {"PYTHONPATH": paths},
        cwd=folder,
    )
    while not list(cut.glob("train/[!.]*/manifest.json")):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    gate.unlink()
    return common, cut, whole


def places(store: Path) -> list[str]:
    return [f"store.root={store}", f"store.results={store.parent / 'results'}"]


def copied(store: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The store again, and the folder of moments in it."""
    shutil.copytree(store, tmp_path / "store")
    [moments] = tmp_path.glob(f"store/train/[!.]*/{TRANSIENT}")
    return tmp_path / "store", moments


def weights(store: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in store.glob("train/*/model.safetensors")}


def test_another_command_goes_on_to_the_same_bytes(broken_off: tuple, tmp_path: Path) -> None:
    common, cut, whole = broken_off
    store, moments = copied(cut, tmp_path)
    assert {path.suffix for path in moments.iterdir()} == {".safetensors", ".json"}
    done = harness(*common, *places(store))
    assert done.returncode == 0, done.stderr
    assert "trained 1 stages" in done.stdout.replace("1 stage,", "1 stages,")
    assert weights(store) == weights(whole)


def test_other_ranks_and_another_zero_stage_go_on(broken_off: tuple, tmp_path: Path) -> None:
    common, cut, whole = broken_off
    store, _ = copied(cut, tmp_path)
    done = harness(*common, *places(store), "engine.ranks=2", "engine=zero2")
    assert done.returncode == 0, done.stderr
    for file in store.glob("train/*/model.safetensors"):
        here, there = load_file(file), load_file(whole / file.relative_to(store))
        assert max((here[name] - there[name]).abs().max() for name in here) < 2e-5


def test_moments_of_an_earlier_version_are_made_again_and_not_unpickled(
    broken_off: tuple, tmp_path: Path
) -> None:
    common, cut, whole = broken_off
    store, moments = copied(cut, tmp_path)
    shutil.rmtree(moments)
    state = moments / "state"
    state.mkdir(parents=True)
    for name in ("mp_rank_00_model_states.pt", "zero_pp_rank_0_mp_rank_00_optim_states.pt"):
        (state / name).write_bytes(pickle.dumps(Mark(tmp_path / "ran")))
    done = harness(*common, *places(store))
    assert done.returncode == 0, done.stderr
    assert weights(store) == weights(whole)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_in_their_place_is_refused(broken_off: tuple, tmp_path: Path) -> None:
    common, cut, _ = broken_off
    store, moments = copied(cut, tmp_path)
    (moments / MOMENTS).write_bytes(pickle.dumps(Mark(tmp_path / "ran")))
    done = harness(*common, *places(store))
    assert done.returncode == 1
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert f"{MOMENTS} is not a safetensors file" in line
    assert not (tmp_path / "ran").exists()


def test_a_disk_that_is_full_behind_a_stage_frees_the_moments_that_it_read(
    broken_off: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ranks had finished counts, though the command ends with an error."""
    common, cut, _ = broken_off
    store, moments = copied(cut, tmp_path)
    before = set(store.glob("train/[!.]*/manifest.json"))

    def watch(room: Room) -> None:
        if set(store.glob("train/[!.]*/manifest.json")) - before:
            raise NoRoom("there is no room")

    monkeypatch.setattr(Room, "watch", watch)
    assert moments.is_dir()
    with pytest.raises(NoRoom):
        execute(load([*common, *places(store)]))
    assert not moments.exists()
