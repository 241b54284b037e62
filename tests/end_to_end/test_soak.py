"""A part of `make soak`: kills at every place and every kind of disturbance, on a tiny sweep."""

from collections import Counter
from pathlib import Path

import pytest
from soaking.blows import SHORT, Kind
from soaking.campaign import Campaign
from soaking.disk import release
from soaking.places import Place
from soaking.sweep import OTHERS, Sweep

pytestmark = [pytest.mark.distributed, pytest.mark.slow]


@pytest.fixture
def words(tiny_model: Path, tiny_data: Path, tiny_conf: list[str]) -> tuple[str, ...]:
    """Stages of a hundred steps, which take seconds."""
    own = [f"model.path={tiny_model}", f"data.root={tiny_data}", "eval.batch_size=2"]
    own += ["train.epochs=20", "train.checkpoint_steps=20", "seed=0"]
    return (*tiny_conf, *own)


def soaked(sweep: Sweep, folder: Path) -> tuple[Campaign, Counter[Kind], Counter[Place]]:
    """A campaign that is over: what happened by kind, and kills by place."""
    (zero,) = sweep.zeros
    lines = list[str]()
    campaign = Campaign(sweep, zero, folder, 0, float("inf"), lambda line, left: lines.append(line))
    try:
        result = campaign.run()
    finally:
        release(folder / "disk")
    assert result.different == [], lines
    assert result.complaints == [], lines
    assert result.effort.steps_done >= result.effort.steps_needed > 0
    assert result.effort.requests_done >= result.effort.requests_needed > 0
    happened = campaign.record.happened
    places = Counter(one.place for one in happened if one.kind is Kind.kill)
    return campaign, Counter(one.kind for one in happened), places


def test_twelve_kills_and_every_disturbance(words: tuple[str, ...], tmp_path: Path) -> None:
    sweep = Sweep((*words, "method=seqft,ewc"), (0,), 12, OTHERS)
    campaign, kinds, places = soaked(sweep, tmp_path)
    assert all(places[place] >= 2 for place in (Place.stage, *SHORT))
    skipped = {Kind.full} if campaign.record.result.skipped else set()
    assert set(kinds) == set(Kind) - skipped
    # It is done: the same campaign says what it said, and starts nothing.
    again = Campaign(sweep, 0, tmp_path, 0, 0, lambda line, left: None)
    assert again.run() == campaign.record.result


@pytest.mark.trial
@pytest.mark.parametrize("zero", [2, 3])
def test_a_few_kills_at_other_stages_of_zero(
    words: tuple[str, ...], tmp_path: Path, zero: int
) -> None:
    sweep = Sweep((*words, "method=lora_seqft"), (zero,), 4, (Kind.flipped_checkpoint,))
    _, _, places = soaked(sweep, tmp_path)
    assert all(places[place] >= 2 for place in (Place.stage, Place.checkpoint))
