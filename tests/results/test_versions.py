"""A table of nodes that several versions of libraries made says so, and in which runs."""

from support.tables import FIRST, SECOND, groups_of

from harness.results.report.tables import main_table, suites_table
from harness.results.report.terminal import main_table_markdown
from harness.results.schema import Scores, read_scores, write_scores
from harness.results.versions import told_versions

OLD = {"torch": "2.12.0", "transformers": "5.20", "lm_eval": "0.4.13"}
NEW = {"torch": "2.13.0", "transformers": "5.20", "lm_eval": "0.4.13"}
SAID = "made with several versions of libraries: torch 2.12.0 (runs a, b), 2.13.0 (run b)."


def mixed(run_rows):
    rows = [*run_rows("a", FIRST, versions=OLD), *run_rows("b", SECOND, method="x", versions=OLD)]
    return [*rows[:-1], {**rows[-1], "versions": NEW}]


def test_a_mixed_table_says_so_in_print_and_in_the_terminal(run_rows):
    rows = mixed(run_rows)
    assert main_table(groups_of(rows), "d").notes == (SAID,)
    assert suites_table(groups_of(rows), "d").notes == (SAID,)
    assert main_table_markdown(Scores.of(rows)).splitlines()[-1] == SAID


def test_one_set_of_versions_needs_no_word(run_rows):
    rows = [*run_rows("a", FIRST, versions=OLD), *run_rows("b", SECOND, method="x")]
    assert main_table(groups_of(rows), "d").notes == ()


def test_many_runs_are_counted(run_rows):
    rows = [row for s in range(5) for row in run_rows(f"r{s}", FIRST, seed=s, versions=OLD)]
    rows += run_rows("z", FIRST, method="x", versions=NEW)
    note = main_table(groups_of(rows), "d").notes[-1]
    assert "torch 2.12.0 (runs r0, r1, r2 and 2 more), 2.13.0 (run z)" in note


def test_the_table_keeps_what_a_manifest_says(run_rows, tmp_path):
    about = {"versions": {"python": "3.11", "datasets": "1", **OLD}}
    assert told_versions(about) == OLD
    assert told_versions({}) is None
    path = write_scores(mixed(run_rows), tmp_path / "scores.csv")
    assert {tuple((row["versions"] or {}).items()) for row in read_scores(path).rows} == {
        tuple(sorted(OLD.items())), tuple(sorted(NEW.items())),
    }  # fmt: skip
