"""`harness data standard`: files of many formats into tasks, and what makes files others."""

import hashlib
import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from support.command import harness, refused
from support.raw_files import write_lines, write_text
from support.standard_files import LONG, write_standard

from harness.cli.data import main
from harness.config.compose.compose import load
from harness.config.places import option_names
from harness.config.sequence import task_order
from harness.data.standard.draw import Amounts
from harness.data.standard.prepare import prepare
from harness.data.standard.recipes import recipes
from harness.errors import DataError

DOMAINS = ["math", "law", "code"]


FEW = Amounts(10, 3)


def rows_of(root: Path, name: str, amounts: Amounts = FEW) -> dict[str, list[dict]]:
    return prepare(root, [name], amounts).rows[name]


# Task -> a training prompt with its answer, worked out by hand from the stand-in of row 0.
PROMPTS = {
    "agnews": (
        'A "World" day, 0\nnews 0\nof World\n\nWhat is the topic of this news item? One of: World, '
        "Sports, Business, Science or technology.\nAnswer:",
        "World",
    ),
    "imdb": (
        "film 0 \nwas negative\n\nDoes this review like the film? One of: negative, positive.\n"
        "Answer:",
        "negative",
    ),
    "mnli": (
        'Sentence 1: it rains 0\nSentence 2: "wet entailment\n\nWhat does the first sentence say '
        "of the second? One of: entailment, neutral, contradiction.\nAnswer:",
        "entailment",
    ),
    "wic": (
        'Sentence 1: a bank 0\nSentence 2: the bank yes\n\nDoes "bank" mean the same in both? One '
        "of: yes, no.\nAnswer:",
        "yes",
    ),
    "multirc": (
        "text 0\n\nQuestion: ?\nCandidate: it is 0\nIs the candidate right? One of: yes, no.\n"
        "Answer:",
        "yes",
    ),
    "math": ("Q: 0+1?\nA:", " The answer is: 1"),
    "task1572_samsum_summary": ("Answer.\n\nInput: in 0\nOutput:", " out 0"),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_a_row_in_words(name: str, tmp_path: Path) -> None:
    write_standard(tmp_path, [name])
    made = rows_of(tmp_path, name, Amounts(1000, 500))
    found = {row["prompt"]: row["answer"] for split in made.values() for row in split}
    prompt, answer = PROMPTS[name]
    assert found[prompt] == answer


def test_every_task_is_read_from_its_format(tmp_path: Path) -> None:
    names = list(recipes())
    write_standard(tmp_path, names)
    found = prepare(tmp_path, None, FEW)
    assert list(found.rows) == names
    assert found.missing == []
    for name, splits in found.rows.items():
        train, test = splits["train"], splits["test"]
        assert len(train) == 10, name
        assert len({row["prompt"] for row in [*train, *splits["eval"]]}) > 10, name
        edition = recipes()[name].editions[0]
        if "test" in edition and edition["test"].labels:
            words = set(edition["test"].labels.values())
            scored = Counter(row["answer"] for row in test)
            assert scored.keys() == words, name
            assert max(scored.values()) <= 3, name
            assert {row["answer"] for row in train} <= words, name


def test_draws_hang_on_the_seed_alone_and_do_not_overlap(tmp_path: Path) -> None:
    write_standard(tmp_path, ["agnews"], (400, 100))
    first = rows_of(tmp_path, "agnews", Amounts(50, 10))
    assert first == rows_of(tmp_path, "agnews", Amounts(50, 10))
    assert first != rows_of(tmp_path, "agnews", Amounts(50, 10, seed=1))
    assert set(Counter(row["answer"] for row in first["test"]).values()) == {10}
    train, rest = ({row["prompt"] for row in first[split]} for split in ("train", "eval"))
    assert len(train) == 50
    assert not train & rest
    assert len(rest) == 350  # at most 100 of each of four classes
    single = write_standard(tmp_path, ["task591_sciq_answer_generation"])
    made = rows_of(single, "task591_sciq_answer_generation", Amounts(5, 3))
    parts = [{row["prompt"] for row in made[split]} for split in made]
    assert sum(map(len, parts)) == len(set.union(*parts))


def test_a_file_that_is_all_trained_on_leaves_nothing_to_choose_on(tmp_path: Path) -> None:
    made = rows_of(write_standard(tmp_path, ["cb"]), "cb", Amounts(1000, 500))
    assert set(made) == {"train", "test"}
    assert len(made["train"]) == 40


def test_tests_of_code_come_with_their_problem(tmp_path: Path) -> None:
    made = rows_of(write_standard(tmp_path, ["code"]), "code")
    row = made["test"][3]
    assert set(row) == {"prompt", "answer", "header", "test", "entry_point"}
    assert row["entry_point"] == "add3"
    assert "def add3(x):" in row["prompt"]


def test_published_files_of_this_many_rows_are_taken(tmp_path: Path) -> None:
    write_standard(tmp_path / "from", ["cb", "copa"], (250, 56))
    out = tmp_path / "out"
    words = ["standard", "--from", str(tmp_path / "from"), "--out", str(out), "--tasks"]
    assert main([*words, "cb"]) == 0
    assert main([*words, "copa"]) == 2  # it has 400 and 100
    assert not (out / "copa").exists()
    assert main([*words, "copa", "--allow-other"]) == 0
    told = json.loads((out / "prepared.json").read_text())
    assert set(told["tasks"]) == {"cb", "copa"}
    train = tmp_path / "from/CB/train.jsonl"
    sha256 = hashlib.sha256(train.read_bytes()).hexdigest()
    assert told["tasks"]["cb"]["read"]["train"]["files"] == {"CB/train.jsonl": sha256}
    before = {path: path.stat().st_mtime_ns for path in out.rglob("t*.json")}
    assert main([*words, "cb"]) == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("t*.json")} == before
    with pytest.raises(DataError, match=r"was made with .* choose another --out$"):
        main([*words, "cb", "--seed", "1"])


def test_a_folder_of_texts_is_hashed_as_a_user_can_do_it(tmp_path: Path) -> None:
    write_standard(tmp_path, ["imdb"])
    command = r"find . -name '*.txt' | cut -c3- | LC_ALL=C sort | xargs sha256sum | sha256sum"
    told = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path / "aclImdb/train", stdout=subprocess.PIPE, check=True
    )
    (report,) = prepare(tmp_path, ["imdb"], FEW).reports
    assert report.read["train"].files == {"aclImdb/train": told.stdout.decode().split()[0]}


def test_what_a_user_is_told(tmp_path: Path) -> None:
    write_standard(tmp_path, ["cb"], (250, 56))
    done = harness("data", "standard", "--from", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "cb: 250 train, 0 eval, 56 test" in done.stdout
    assert "250 rows, as published" in done.stdout
    assert "no files of: agnews, amazon" in done.stdout


WRONG = [
    ("from", "agnews", "", [], r"from: no publisher's files of a known task"),
    ("from/ag_news_csv/train.csv", "agnews", '"1","a","b"\n', [], r"agnews has no .*test\.csv$"),
    ("CB/train.jsonl", "cb", "{", [], r"train\.jsonl: not jsonl as published: "),
    ("CB/train.jsonl", "cb", "[" * 100_000, [], r"train\.jsonl: not jsonl as published: "),
    ("CB/train.jsonl", "cb", "", [], r"train\.jsonl: there are no rows in it$"),
    ("CB/train.jsonl", "cb", '{"label": "x"}', [], r"row 1 has the label 'x'; known: entail"),
    ("CB/train.jsonl", "cb", "[1]", [], r"line 1: it must be an object with fields$"),
    ("MultiRC/train.jsonl", "multirc", "{}", [], r"line 1: no passage with questions"),
    ("ag_news_csv/train.csv", "agnews", '"1","a"\n', [], r"row 1 has more or fewer fields"),
    ("ag_news_csv/train.csv", "agnews", b"\xff\xfe", [], r"not csv as published: "),
]


@pytest.mark.parametrize(("file", "task", "content", "more", "told"), WRONG)
def test_other_files(
    file: str, task: str, content: str | bytes, more: list[str], told: str, tmp_path: Path
) -> None:
    root = tmp_path / "from"
    root.mkdir()
    if not file.startswith("from"):
        write_standard(root, [task])
        path = root / file
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    elif content:
        write_text(tmp_path / file, str(content))
    with pytest.raises(DataError, match=told):
        main(["standard", "--from", str(root), "--out", str(tmp_path / "out"), "--allow-other"])
    assert not (tmp_path / "out").exists()


def test_rows_that_lack_a_field_are_counted(tmp_path: Path) -> None:
    write_standard(tmp_path, ["qqp"])
    with (tmp_path / "QQP/train.tsv").open("a") as stream:
        stream.write("41\twhy?\n")
    (report,) = prepare(tmp_path, ["qqp"], Amounts()).reports
    assert (report.read["train"].rows, report.read["train"].skipped) == (40, 1)
    write_lines(tmp_path / "RTE/train.jsonl", [{"premise": "a", "label": "entailment"}])
    write_lines(tmp_path / "RTE/val.jsonl", [{"premise": "a", "label": "entailment"}])
    with pytest.raises(DataError, match=r"no field 'hypothesis'; they have label, premise$"):
        prepare(tmp_path, ["rte"], Amounts())


def test_a_file_that_scoring_takes_whole_is_too_short(tmp_path: Path) -> None:
    told = {"Definition": "d", "Instances": [{"input": "a", "output": ["b"]}] * 100}
    write_text(tmp_path / "tasks/task591_sciq_answer_generation.json", json.dumps(told))
    with pytest.raises(DataError, match=r"too few rows \(100 in both\) for train$"):
        prepare(tmp_path, None, FEW)


def test_parquet_as_the_hub_has_it(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    for part, size in (("train", 40), ("test", 20)):
        table = pyarrow.table(
            {"text": [f"film {n}" for n in range(size)], "label": [n % 2 for n in range(size)]}
        )
        (tmp_path / "imdb").mkdir(exist_ok=True)
        parquet.write_table(table, tmp_path / f"imdb/{part}-00000-of-00001.parquet")
    made = rows_of(tmp_path, "imdb", Amounts(30, 5))
    assert Counter(row["answer"] for row in made["test"]) == {"negative": 5, "positive": 5}
    (tmp_path / "imdb/train-00000-of-00001.parquet").write_bytes(b"PAR1nothing")
    with pytest.raises(DataError, match="not parquet"):
        rows_of(tmp_path, "imdb")


def test_unknown_words_are_one_line(tmp_path: Path) -> None:
    line = refused("data", "standard", "--from", str(tmp_path), "--tasks", "agnew")
    assert "there is no task 'agnew'; did you mean 'agnews'?" in line
    assert "did you mean 'standard'?" in refused("data", "standart")


@pytest.mark.parametrize("name", [n for n in option_names("sequence", []) if "_order" in n])
def test_sequences_are_of_prepared_tasks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDARD_DATA", "anywhere")
    monkeypatch.setenv("TRACE_DATA", "anywhere")
    config = load([f"sequence={name}", "suite=[]"])
    if not name.startswith("trace"):
        assert set(task_order(config)) <= set(recipes())
        assert config.data.root == "anywhere"
    if name.startswith("long"):
        assert sorted(task_order(config)) == sorted(LONG)
