"""The script that measures the report, at few predictions."""

import pytest
from bench.chromium import found
from support.command import script


@pytest.mark.slow
@pytest.mark.trial
@pytest.mark.browser
def test_it_measures_what_it_names():
    if found() is None:
        pytest.skip("no Chromium is installed here")
    done = script("bench_report.py", "--predictions=880", "--items=20", "--rounds=1")
    assert done.returncode == 0, done.stderr
    for told in ("880 predictions", "opened in", "all texts unpacked", "filter by a rare word"):
        assert told in done.stdout
    assert "complaints of the page: 0" in done.stdout
