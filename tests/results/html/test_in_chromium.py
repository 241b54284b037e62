"""The report in a real browser: it shows itself, sorts, filters, and runs nothing of a model's."""

import json

import pytest
from bench.chromium import Tab

pytestmark = pytest.mark.browser

SHOWN = 50


def count(page: Tab) -> int:
    """How many predictions the page says it lists."""
    return int(page.run("byId('count').textContent").split(" of ")[0].replace(",", ""))


def choose(page: Tab, **values: str) -> None:
    """Set filters as a user does, and wait for the list."""
    for name, value in values.items():
        kind = "input" if name == "search" else "change"
        page.run(
            f"byId('{name}').value = {json.dumps(value)};"
            f"byId('{name}').dispatchEvent(new Event('{kind}', {{bubbles: true}}))"
        )
    settle(page, 300)


def settle(page: Tab, milliseconds: int = 200) -> None:
    """Wait until what a page was asked for is drawn: its timers, its texts, however long these
    take to unpack, and what is drawn from them."""
    page.run(f"new Promise((r) => setTimeout(r, {milliseconds}))")
    page.run("Promise.all(texts.pieces.values()).then(() => new Promise((r) => setTimeout(r, 50)))")


def visible_pages(page: Tab) -> list[str]:
    return page.run(
        "[...document.querySelectorAll('.page')].filter(p => p.offsetParent).map(p => p.id)"
    )


def test_one_page_at_a_time(page):
    assert visible_pages(page) == ["overview"]
    page.run("location.hash = 'claims'; new Promise((r) => setTimeout(r, 100))")
    assert visible_pages(page) == ["claims"]
    assert page.run("document.activeElement.id") == "claims-title"
    page.run("location.hash = '%'; new Promise((r) => setTimeout(r, 100))")
    assert visible_pages(page) == ["overview"]
    assert page.run("document.querySelector('[aria-current]').textContent") == "Overview"


def test_a_heading_sorts_by_number_and_back(page):
    """Not by its text: -39.7 is below -7.5, and 100.0 above both; what has no number is last."""
    page.run("""
        window.table = document.querySelector("#overview table");
        window.heads = [...table.tHead.rows[0].cells];
        window.at = heads.findIndex((head) => head.textContent === "BWT");
        window.column = () => [...table.tBodies[0].rows].map((row) => row.cells[at].textContent);
        const row = table.tBodies[0].rows[0];
        const entries = ["9.5", "-39.7", "none", "100.0", "-7.5"];
        table.tBodies[0].replaceChildren(...entries.map((text) => {
            const one = row.cloneNode(true);
            one.cells[at].textContent = text;
            if (text === "none") delete one.cells[at].dataset.v;
            else one.cells[at].dataset.v = text;
            return one;
        }));""")
    found, states = [], []
    for _ in range(2):
        page.run("heads[at].querySelector('button').click()")
        found.append(page.run("column()"))
        states.append(page.run("heads[at].ariaSort"))
    assert found[0] == ["100.0", "9.5", "-7.5", "-39.7", "none"]
    assert found[1] == ["-39.7", "-7.5", "9.5", "100.0", "none"]
    assert states == ["descending", "ascending"]
    page.run("heads[at - 1].querySelector('button').click()")
    assert page.run("heads[at].ariaSort") == "none"


def lost(before: list[float], now: list[float]) -> int:
    return sum(a >= 0.5 > b for a, b in zip(before, now, strict=True))


def test_filters_leave_what_they_say(page, shown):
    page.run("location.hash = 'predictions'")
    assert count(page) == 400
    choose(page, run="0", task="target: letters")
    stages = [shown.scores_of(0, stage, 0, "accuracy") for stage in (0, 1, 2)]
    assert count(page) == 120
    choose(page, state="lost")
    assert count(page) == lost(stages[0], stages[1]) + lost(stages[1], stages[2]) > 0
    choose(page, state="gained")
    assert count(page) == lost(stages[1], stages[0]) + lost(stages[2], stages[1]) > 0
    choose(page, state="right", stage="1")
    assert count(page) == sum(stages[1])
    lenient = shown.scores_of(0, 1, 0, "accuracy_lenient")
    choose(page, state="format")
    assert count(page) == sum(b > a for a, b in zip(stages[1], lenient, strict=True)) > 0
    page.run("byId('filters').reset()")
    settle(page)
    assert count(page) == 400


def test_stages_that_stand_alone_are_compared_with_the_initial_model(place, tab):
    path = place.made.store / "runs" / "run00000000000000000.json"
    record = json.loads(path.read_text())
    record["run"]["schedule"] = "single"
    path.write_text(json.dumps(record))
    assert place.report().returncode == 0
    tab.open(place.out.as_uri())
    stages = [place.scores_of(0, stage, 0, "accuracy") for stage in (0, 1, 2)]
    assert lost(stages[0], stages[2]) != lost(stages[1], stages[2])
    choose(tab, run="0", task="target: letters", stage="2", state="lost")
    assert count(tab) == lost(stages[0], stages[2])
    choose(tab, state="gained")
    assert count(tab) == lost(stages[2], stages[0])


def test_words_are_found_in_answers_and_references(page, shown):
    path = shown.made.store / "eval"
    files = sorted(path.glob("*/predictions.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    word = shown.made.targets["words"][0].split()[0]
    prompts = {}
    for name in shown.made.targets:
        for at, row in enumerate(json.loads((shown.made.data / name / "test.json").read_text())):
            prompts[row["answer"], at] = row["prompt"]
    expected = sum(
        word
        in "\n".join((row["prediction"][0], row["target"], prompts[row["target"], row["item"]]))
        for row in rows
    )
    choose(page, search=word.upper())
    assert count(page) == expected > 0
    choose(page, search="no such words at all")
    assert count(page) == 0
    assert page.run("byId('place').textContent") == "none"


def test_texts_are_unpacked_when_they_are_asked_for(page):
    asked = page.run("texts.pieces.size")
    waiting = page.run("document.querySelectorAll('[id^=piece-]').length")
    assert asked > 0  # those of the 50 rows that are listed
    assert waiting > 0
    page.run("location.hash = 'predictions'; new Promise((r) => setTimeout(r, 100))")
    assert page.run("texts.pieces.size") == asked
    page.run("byId('search').focus()")
    assert page.run("texts.pieces.size") == asked + waiting
    unpacked = "Promise.all(texts.pieces.values()).then(() => texts.ready.size)"
    assert page.run(unpacked) == asked + waiting
    assert page.run("document.querySelectorAll('[id^=piece-]').length") == 0


def test_pages_of_the_list_turn(page):
    page.run("location.hash = 'predictions'")
    assert page.run("byId('place').textContent") == f"1 to {SHOWN}"
    assert page.run("byId('previous').disabled")
    page.run("byId('next').click()")
    assert page.run("byId('place').textContent") == f"{SHOWN + 1} to {2 * SHOWN}"
    assert page.run("document.querySelectorAll('#list tbody tr').length") == SHOWN


def test_an_item_opens_and_closes_by_keyboard(page, shown):
    page.run("location.hash = 'predictions'")
    choose(page, run="1", task="target: letters", stage="2")
    page.run("document.querySelector('#list td button').focus()")
    page.press("Enter", 13, "\r")
    settle(page)
    assert page.run("byId('detail').open")
    told = page.run("byId('item').textContent")
    blocks = page.run("[...document.querySelectorAll('#item pre')].map((p) => p.textContent)")
    assert shown.made.targets["letters"][0] in blocks
    for stage in ("Stage 0 (initial model)", "Stage 1 (after letters)", "Stage 2 (after words)"):
        assert stage in told
    page.press("Escape", 27)
    assert not page.run("byId('detail').open")
    assert page.run("document.activeElement.tagName") == "BUTTON"


def test_every_control_has_a_name(page):
    """As a screen reader finds them, in the browser's own tree."""
    page.run("location.hash = 'predictions'; new Promise((r) => setTimeout(r, 100))")
    page.call("Accessibility.enable")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    wanted = ("button", "link", "combobox", "searchbox", "region", "navigation", "search")
    found = [n for n in nodes if n.get("role", {}).get("value") in wanted and not n["ignored"]]
    nameless = [n["role"]["value"] for n in found if not n.get("name", {}).get("value")]
    assert {n["role"]["value"] for n in found} >= {"button", "link", "combobox", "searchbox"}
    assert nameless == []
    roles = {n.get("role", {}).get("value") for n in nodes}
    assert {"main", "navigation", "status", "banner"} <= roles
    page.call("Accessibility.disable")


def test_the_page_is_as_wide_as_a_phone(page):
    page.size(400, 800)
    for name in ("overview", "matrices", "runs", "predictions", "claims"):
        page.run(f"location.hash = '{name}'; new Promise((r) => setTimeout(r, 50))")
        assert page.run("document.documentElement.scrollWidth") <= 400, name
    page.size(1200, 800)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(page, scheme):
    """WCAG 2.1, 1.4.3: 4.5 to 1, of the ink and of what is soft, and in every shade of heat."""
    page.scheme(scheme)
    page.run("location.hash = 'matrices'")
    ratios = page.run("""
    (() => {
      const canvas = document.createElement("canvas");
      const context = canvas.getContext("2d", { willReadFrequently: true });
      const rgb = (color) => {
        context.fillStyle = color;
        context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
      };
      const light = (color) => {
        const [r, g, b] = rgb(color).map((part) => part / 255)
          .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const ratio = (a, b) => {
        const [high, low] = [light(a), light(b)].sort((x, y) => y - x);
        return (high + 0.05) / (low + 0.05);
      };
      const styles = getComputedStyle(document.body);
      const found = { body: ratio(styles.color, styles.backgroundColor) };
      const note = document.querySelector(".note");
      found.note = ratio(getComputedStyle(note).color, styles.backgroundColor);
      const cell = document.querySelector("#matrices td.num");
      for (let shade = 0; shade <= 10; shade++) {
        cell.className = `num h${shade}`;
        const style = getComputedStyle(cell);
        found[`h${shade}`] = ratio(style.color, style.backgroundColor);
      }
      return found;
    })()""")
    page.scheme("light")
    assert {name: round(r, 1) for name, r in ratios.items() if r < 4.5} == {}


def test_the_item_that_was_chosen_last_is_shown(page, shown):
    """Whatever is there first: here the texts of the one that was chosen first are late."""
    page.run("""
        window.late = [];
        const load = texts.load.bind(texts);
        const later = (number) => new Promise((r) => late.push(() => r(load(number))));
        texts.load = (number) => (late === null ? load(number) : later(number));
        const first = predictions.blocks.filter((b) => b.run === 0);
        const block = (name) => first.find((b) => b.set.benchmark === name);
        showItem(block("words"), 0);
        const waiting = late;
        late = null;
        window.second = showItem(block("letters"), 1).then(() => waiting.forEach((go) => go()));
        second.then(() => new Promise((r) => setTimeout(r, 200)))""")
    assert page.run("byId('item-title').textContent") == "Item 1 of letters, method_0"
    blocks = page.run("[...document.querySelectorAll('#item pre')].map((p) => p.textContent)")
    assert blocks[1] == shown.made.targets["letters"][1]
    assert len(blocks) == 2 + 3  # prompt, reference, and the answers of three stages


def test_what_a_model_says_is_only_text(place, tab):
    answers = [
        "</script><script>window.hacked = 1</script>",
        "<img src=x onerror='window.hacked = 1'>",
        "abc\u202ecba",
        "a\x00b\ud800c",
        "__proto__",
        "y" * 1_000_000,
    ]
    hostile = iter(answers * 10)
    place.rewrite("eval0000100".ljust(20, "0"), lambda row: row.update(prediction=[next(hostile)]))
    place.rewrite("eval0000100".ljust(20, "0"), lambda row: row.update(item=f"{row['item']}\u202e"))
    evil = "</script><img src=x onerror='window.hacked=1'>"
    for path in (place.made.scores, *(place.made.store / "runs").glob("*.json")):
        path.write_text(path.read_text().replace("method_0", evil))
    assert place.report().returncode == 0
    tab.errors.clear()
    tab.open(place.out.as_uri())
    tab.run("location.hash = 'predictions'")
    choose(tab, run="0", stage="1")
    shown = tab.run("[...document.querySelectorAll('#list .answer')].map((c) => c.textContent)")
    assert shown[:5] == [
        answers[0],
        answers[1],
        "abc[U+202E]cba",
        "a[U+0000]b[U+D800]c",
        "__proto__",
    ]
    assert tab.run("document.querySelector('#list tbody td:nth-child(2)').textContent") == evil
    assert tab.run("document.querySelector('#list td button').textContent") == "0[U+202E]"
    tab.run("document.querySelector('#list td button').click()")
    settle(tab)
    assert answers[0] in tab.run("byId('item').textContent")
    drawn = "document.querySelectorAll('img:not(figure > img)').length"
    assert tab.run(drawn) == 0
    assert tab.run("window.hacked") is None
    assert tab.errors == []


def test_the_policy_stops_what_would_still_get_in(page):
    """Were something of a text read as markup, it would neither run nor load anything."""
    page.run("""
        document.body.insertAdjacentHTML("beforeend",
            "<img id=bad src=x onerror='window.hacked = 1'><p id=styled style='color: red'></p>");
        new Promise((r) => setTimeout(r, 200))""")
    assert page.run("window.hacked") is None
    assert page.run("byId('bad').naturalWidth") == 0
    assert page.run("byId('styled').style.color") == ""
    assert len(page.errors) >= 2  # the browser says what it refused
    page.errors.clear()


def test_without_texts_the_browser_still_filters(place, tab):
    place.report("--no-texts")
    tab.errors.clear()
    tab.open(place.out.as_uri())
    tab.run("location.hash = 'predictions'")
    choose(tab, state="wrong")
    assert 0 < count(tab) < 400
    assert not tab.run("byId('search').offsetParent")
    tab.run("document.querySelector('#list td button').click()")
    settle(tab)
    assert "without texts" in tab.run("byId('item').textContent")
    assert tab.errors == []


def test_it_prints(page, tmp_path):
    """All pages but the list of predictions, which only shows what was last looked for."""
    page.call("Emulation.setEmulatedMedia", media="print")
    there = visible_pages(page)
    page.call("Emulation.setEmulatedMedia", media="")
    assert "claims" in there
    assert "run-run00000000000000001" in there
    assert "predictions" not in there
    page.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes()[:5] == b"%PDF-"
