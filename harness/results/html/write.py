"""The report of a table of scores and a store: one file, made of what is there."""

import base64
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError
from harness.results.comparing.best import items_of, mark_level
from harness.results.comparing.pairing import paired_runs
from harness.results.configurations import configurations, differing
from harness.results.figures.beside import Beside
from harness.results.figures.gallery import OVERVIEW, overview
from harness.results.groups import Group, group_runs
from harness.results.html.anatomy import anatomy
from harness.results.html.browser_page import browser_data, browser_section
from harness.results.html.logs import StageLog, stage_logs
from harness.results.html.markup import Html, element, section
from harness.results.html.page import page
from harness.results.html.predictions import LIMIT, Asking, Browser, browser
from harness.results.html.run_pages import pages_of, run_section, runs_section
from harness.results.html.tables import heat_table, shown_table
from harness.results.paper.ours import Ours
from harness.results.paper.published import read_published
from harness.results.paper.write import claims_table
from harness.results.records import RunRecord, read_record, record_paths
from harness.results.report.rates import rates_table
from harness.results.report.tables import main_table, matrix_table, suites_table
from harness.results.report.write import matrix_names
from harness.results.runs import load_runs
from harness.results.schema import Scores
from harness.results.trust import Trust
from harness.store.files import write_atomically
from harness.store.store import Store


@dataclass(frozen=True)
class Wanted:
    """What goes into a report. states: run -> its status and why it ended so; texts: whether
    prompts, references and answers do; limit: how many predictions; prompts: where they are
    from; anatomy: a folder of figures that `anatomy` drew."""

    states: Mapping[str, tuple[str, str]]
    prompts: Asking
    texts: bool = True
    limit: int = LIMIT
    anatomy: Path | None = None


@dataclass(frozen=True)
class Written:
    """The report's path, how many predictions it shows, and what it lacks, a line each."""

    path: Path
    predictions: int
    gaps: tuple[str, ...]


def write_html(scores: Scores, store: Store | None, wanted: Wanted, out: Path) -> Written:
    """Write the report. store: None where there is none. Raises DataError where there are no
    scores of a task to report on."""
    groups = group_runs(paired_runs(load_runs(scores), items_of(scores, store)))
    if not groups:
        raise DataError("the table of scores holds no headline score of a target task")
    names = {run.name: g.method for g in groups for run in (*g.runs, *g.incomplete)}
    digest, gaps = scores.digest, []
    trust = Trust(store)
    sections = [_overview(groups, scores, trust), _matrices(groups, digest, trust)]
    sections += _figures(groups, scores)
    parts = anatomy(wanted.anatomy, names, digest)
    sections += [parts.page] if parts.page else []
    made = Browser()
    if store is None:
        gaps.append("no store: no pages of runs, no predictions")
    else:
        records, gaps = _records(store)
        labels = _labels(records, names)
        runs, lacking = _runs(store, records, labels, wanted)
        made = browser(store, records, labels, wanted.prompts, wanted.texts, wanted.limit)
        sections += [*runs, browser_section(made)]
        gaps += [*lacking, *made.gaps]
    gaps += parts.gaps
    sections.append(_claims(scores))
    told = [_source(scores), *(f"Missing: {gap}." for gap in gaps)]
    whole = page(_title(groups), sections, browser_data(made), told)
    return Written(write_atomically(out, whole), made.count, tuple(gaps))


def _title(groups: Sequence[Group]) -> str:
    """What the report is on, where that is one thing."""
    shared = {(group.model, group.sequence) for group in groups}
    if len(shared) > 1:
        return "Report"
    model, sequence = shared.pop()
    return f"Report: {sequence} on {model}"


def _overview(groups: Sequence[Group], scores: Scores, trust: Trust) -> Html:
    """The tables of methods, suites and rates."""
    digest, items = scores.digest, items_of(scores, trust.store)
    rates = rates_table([run for group in groups for run in group.runs], digest)
    tables = [mark_level(main_table(groups, digest), groups, items), suites_table(groups, digest)]
    tables += [rates] if rates else []
    shown = (shown_table(trust.below(table, groups)) for table in tables)
    return section("overview", "Overview", *shown)


def _matrices(groups: Sequence[Group], digest: str, trust: Trust) -> Html:
    """A heat table for every group with a complete run."""
    named = matrix_names(groups).items()
    tables = [trust.below(matrix_table(group, digest, name), [group]) for name, group in named]
    return section("matrices", "Scores by stage", *map(heat_table, tables))


def _figures(groups: Sequence[Group], scores: Scores) -> Iterator[Html]:
    """The figures of all methods, where there are any."""
    shown = []
    complete = [group for group in groups if group.runs]
    for name, svg in overview(complete, scores.digest, Beside.of(scores)).items():
        source = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
        image = element("img", src=source, alt=OVERVIEW[name])
        shown.append(element("figure", element("figcaption", OVERVIEW[name]), image))
    if shown:
        yield section("figures", "Figures", *shown)


def _claims(scores: Scores) -> Html:
    table = claims_table(read_published(None), Ours.of(scores), scores.digest)
    return section("claims", "TRACE's findings", shown_table(table))


def _records(store: Store) -> tuple[list[RunRecord], list[str]]:
    """The runs of a store, and a line for each record that is none."""
    found, gaps = [], []
    for place in record_paths(store):
        with suppress(DataError):
            record = read_record(place)
            if place.stem == record.run["run"]:
                found.append(record)
                continue
        gaps.append(f"{place.name} is not the record of a run")
    return found, gaps


def _labels(records: Sequence[RunRecord], names: Mapping[str, str]) -> dict[str, str]:
    """Run -> its method as tables call it, with the seed where several runs are called so."""
    runs = {record.run["run"]: record.run for record in records}
    plain = {run: names.get(run, about["method"]) for run, about in runs.items()}
    count = Counter(plain.values())
    return {
        run: name if count[name] == 1 else f"{name}, seed {runs[run]['seed']}"
        for run, name in plain.items()
    }


def _runs(
    store: Store, records: Sequence[RunRecord], names: Mapping[str, str], wanted: Wanted
) -> tuple[list[Html], list[str]]:
    """The list of runs and a page for each, and what of their logs is missing."""
    logs: dict[str, list[StageLog]] = {}
    gaps: list[str] = []
    for record in records:
        logs[record.run["run"]], lacking = stage_logs(store, record)
        gaps += lacking
    configs = configurations(store, records)
    about = {record.run["run"]: record.run for record in records}
    pages = pages_of(about, names, wanted.states, logs, configs)
    differ = differing(configs[0])
    return [runs_section(pages), *(run_section(one, pages, differ) for one in pages)], gaps


def _source(scores: Scores) -> str:
    return f"Scores table: sha256 {scores.digest}."
