"""A page per run: what it is, what sets it apart, how its training went, why it ended."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.results.configurations import Flat
from harness.results.html.curves import Series, curve
from harness.results.html.logs import StageLog
from harness.results.html.markup import Html, element, joined, section
from harness.results.html.tables import plain_table
from harness.results.report.printing import DASH
from harness.results.settings import in_words
from harness.store.scores import RunColumns

_OTHERS = 3  # values of other runs that are told of a setting


@dataclass(frozen=True)
class RunPage:
    """A run as its page shows it. status: its word, and why; config: its settings and the node
    that tells them."""

    about: RunColumns
    name: str
    status: tuple[str, str]
    logs: Sequence[StageLog]
    config: Flat
    told_by: str

    @property
    def id(self) -> str:
        """Of its page."""
        return f"run-{self.about['run']}"


def runs_section(pages: Sequence[RunPage]) -> Html:
    """All runs, each a line that leads to its page."""
    rows = [
        (
            element("a", page.about["run"], href=f"#{page.id}"),
            page.name,
            DASH if page.about["seed"] is None else page.about["seed"],
            page.status[0] or DASH,
            len(page.logs),
            in_words(page.about["settings"] or {}) or DASH,
        )
        for page in pages
    ]
    heads = ("Run", "Method", "Seed", "Status", "Stages trained", "Settings")
    return section("runs", "Runs", plain_table("Runs of the store", heads, rows))


def run_section(page: RunPage, pages: Sequence[RunPage], differ: Sequence[str]) -> Html:
    """The page of a run."""
    status, why = page.status
    failure = element("p", element("strong", status), f": {why}", class_="failure") if why else ""
    return section(
        page.id,
        page.name,
        element("p", element("a", "All runs", href="#runs")),
        failure,
        _facts(page),
        _apart(page, pages, differ),
        _training(page.logs),
        _configuration(page),
    )


def _facts(page: RunPage) -> Html:
    about = page.about
    facts = {
        "Run": about["run"],
        "Status": page.status[0] or DASH,
        "Seed": DASH if page.about["seed"] is None else str(page.about["seed"]),
        "Model": about.get("model") or DASH,
        "Sequence": f"{about['sequence']}: {', '.join(about['tasks'])}",
        "Schedule": about["schedule"],
        "Protocol": about.get("protocol") or DASH,
        "Group": about.get("group") or DASH,
    }
    parts = (joined((element("dt", k), element("dd", v))) for k, v in facts.items())
    return element("dl", *parts)


def _apart(page: RunPage, pages: Sequence[RunPage], differ: Sequence[str]) -> Html:
    """Settings whose value another run does not share."""
    others = [other for other in pages if other is not page and other.config]
    if not page.config or not others:
        return element("p", "No other run whose configuration is known.", class_="note")
    rows = []
    for name in differ:
        mine = page.config.get(name)
        unlike = [other for other in others if other.config.get(name) != mine]
        if unlike:
            rows.append((element("code", name), _value(mine), _of_others(name, unlike)))
    if not rows:
        return element("p", "All runs share this configuration.", class_="note")
    heads = ("Setting", "This run", "Others")
    return plain_table("What differs from the other runs", heads, rows)


def _of_others(name: str, others: Sequence[RunPage]) -> str:
    by_value: dict[str, list[str]] = {}
    for other in others:
        by_value.setdefault(_value(other.config.get(name)), []).append(other.name)
    told = [f"{value} ({', '.join(dict.fromkeys(who))})" for value, who in by_value.items()]
    more = f"; {len(told) - _OTHERS} more" if len(told) > _OTHERS else ""
    return "; ".join(told[:_OTHERS]) + more


def _value(value: object) -> str:
    if value is None:
        return DASH
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _training(logs: Sequence[StageLog]) -> Html:
    """Curves and a line per stage; nothing where nothing was trained."""
    if not logs:
        return element("p", "No log of training.", class_="note")
    heads = (*("Stage", "Task", "Steps", "Tokens", "Seconds", "Tokens/s"), "Peak GB", "Last loss")
    rows = [_stage_row(log) for log in logs]
    notices = [f"stage {log.stage}: {notice}" for log in logs for notice in log.notices]
    return joined(
        (
            curve("Loss by step", [log.loss for log in logs]),
            curve("Gradient norm by step (log scale)", [log.gradient for log in logs], log=True),
            plain_table("Stages", heads, rows),
            *(element("p", notice, class_="note") for notice in notices),
        )
    )


def _stage_row(log: StageLog) -> tuple[object, ...]:
    seconds = DASH if log.seconds is None else f"{log.seconds:.1f}"
    speed = DASH if log.tokens_per_second is None else f"{log.tokens_per_second:,.0f}"
    peak = f"{log.peak_memory / 1e9:.2f}" if log.peak_memory else DASH
    numbers = (log.stage, log.task, log.steps, f"{log.tokens:,}")
    return (*numbers, seconds, speed, peak, _last(log.loss))


def _last(series: Series) -> str:
    last = series.values[-1] if series.values else None
    return DASH if last is None else f"{last:.3g}"


def _configuration(page: RunPage) -> Html:
    if not page.config:
        return Html("")
    text = "\n".join(f"{name} = {_value(value)}" for name, value in sorted(page.config.items()))
    title = f"Whole configuration ({page.told_by})"
    return element("details", element("summary", title), element("pre", text))


def pages_of(
    about: Mapping[str, RunColumns],
    names: Mapping[str, str],
    states: Mapping[str, tuple[str, str]],
    logs: Mapping[str, Sequence[StageLog]],
    configs: tuple[Mapping[str, Flat], Mapping[str, str]],
) -> list[RunPage]:
    """The pages of runs, from what is known of each."""
    flat, told = configs
    return [
        RunPage(
            columns,
            names[run],
            states.get(run, ("", "")),
            logs.get(run, ()),
            flat.get(run, {}),
            told.get(run, ""),
        )
        for run, columns in about.items()
    ]
