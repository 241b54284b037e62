"""The archive check: every size and nesting, and each way in which an archive can be wrong."""

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from support.command import harness, refused, script
from support.places import DATA, needs_data
from support.raw_files import write_rows

from harness.data.trace.archive import known_counts

TASKS = 8


def split_rows(task: str, split: str, count: int) -> list[dict[str, str]]:
    """Rows of one file; FOMC's eval is its test backwards, NumGLUE-ds leaks 2 prompts."""
    kind = "test" if (task, split) == ("FOMC", "eval") else split
    rows = [{"prompt": f"{task} {kind} {i}\nAnswer:", "answer": "ABC"[i % 3]} for i in range(count)]
    if (task, split) == ("NumGLUE-ds", "test"):
        for index in (0, 1):
            rows[index]["prompt"] = f"NumGLUE-ds train {index}\nAnswer:"
    return rows[::-1] if kind != split else rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sizes 500 and Reasoning as published: names, tasks and numbers of rows; rows made up."""
    root = tmp_path_factory.mktemp("archive") / "TRACE-Benchmark"
    for size, named in (("500", "500"), ("reasoning", "Reasoning")):
        for task, counts in known_counts()[size].items():
            for split in ("train", "eval", "test"):
                rows = split_rows(task, split, counts[split])
                write_rows(root / f"LLM-CL-Benchmark_{named}" / task / f"{split}.json", rows)
    return root


@pytest.fixture(scope="module")
def archive(folder: Path) -> Path:
    """The same as a zip, with what a Mac leaves in one."""
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for file in sorted(folder.rglob("*.json")):
            name = file.relative_to(folder.parent).as_posix()
            target.write(file, name)
            target.writestr(f"__MACOSX/{name}", "not JSON")
    return path


def check(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return harness("data", "trace", *map(str, arguments))


def as_json(*arguments: str | Path) -> dict:
    done = check(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """Size 500 alone, to be damaged."""
    return Path(shutil.copytree(folder / "LLM-CL-Benchmark_500", tmp_path / "trace-500"))


def test_zip_and_folder_and_sizes_agree(archive: Path, folder: Path, tmp_path: Path) -> None:
    found = as_json("--archive", archive)
    assert list(found) == ["500", "reasoning"]
    assert found == as_json("--archive", folder)
    assert found["500"] == as_json("--archive", folder.parent, "--size", "500")["500"]
    deepest = folder / "LLM-CL-Benchmark_Reasoning"
    assert found["reasoning"] == as_json("--archive", deepest)["reasoning"]
    renamed = Path(shutil.copytree(deepest, tmp_path / "mine"))
    assert found["reasoning"] == as_json("--archive", renamed, "--size", "reasoning")["reasoning"]
    assert "which size is mine? give --size" in refused("data", "trace", "--archive", str(renamed))


def test_findings(archive: Path, folder: Path) -> None:
    found = as_json("--archive", archive)
    assert [part["deviations"] for part in found.values()] == [[], []]
    tasks = found["500"]["tasks"]
    assert len(tasks) == TASKS + 1
    assert len(found["reasoning"]["tasks"]) == TASKS  # the replay set is not part of it
    assert tasks["NumGLUE-ds"]["shared"]["train-test"] == {"prompts": 2, "rows": 2}
    assert tasks["C-STANCE"]["shared"]["train-test"] == {"prompts": 0, "rows": 0}
    assert tasks["C-STANCE"]["majority"] == {"answer": "A", "share": 0.34}
    assert [name for name, task in tasks.items() if task["eval_equals_test"]] == ["FOMC"]
    assert "FOMC: eval is a permutation of test; choose nothing on it" in found["500"]["notes"]
    done = subprocess.run(
        ["sha256sum", folder / "LLM-CL-Benchmark_500" / "FOMC" / "eval.json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert tasks["FOMC"]["splits"]["eval"]["sha256"] == done.stdout.split()[0]


def test_the_table_is_readable(archive: Path) -> None:
    lines = check("--archive", archive, "--size", "500").stdout.splitlines()
    assert lines[0] == "TRACE 500"
    row = next(line for line in lines if line.startswith("NumGLUE-cm"))
    assert row.split() == ["NumGLUE-cm", "500", "41", "81", "500", "0", "0", "0", "A", "33%"]


def test_written_files_are_the_archive_s_bytes(archive: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = check("--archive", archive, "--out", out)
    assert first.returncode == 0, first.stderr
    assert f"{out / '500'}: 27 files copied, 0 verified" in first.stdout
    for file in folder.rglob("*.json"):
        size = file.parts[-3].rpartition("_")[2].lower()
        assert (out / size / file.parts[-2] / file.name).read_bytes() == file.read_bytes()
    prepared = json.loads((out / "500" / "prepared.json").read_text())
    assert len(prepared["archive_sha256"]) == 64
    assert prepared["tasks"]["FOMC"]["eval_equals_test"]

    kept = {path: path.stat().st_mtime_ns for path in out.rglob("train.json")}
    second = check("--archive", archive, "--out", out)
    assert f"{out / 'reasoning'}: 0 files copied, 24 verified" in second.stdout
    assert kept == {path: path.stat().st_mtime_ns for path in out.rglob("train.json")}

    changed = out / "500" / "FOMC" / "train.json"
    changed.write_text("[]")
    line = refused("data", "trace", "--archive", str(archive), "--out", str(out))
    assert line.startswith(f"error: {changed}: differs from the archive's file")
    assert changed.read_text() == "[]"


def test_the_script_is_the_verb(archive: Path) -> None:
    done = script("prepare_data.py", "trace", "--archive", str(archive))
    assert done.returncode == 0, done.stderr
    assert done.stdout == check("--archive", archive).stdout


def test_another_version_is_refused_and_accepted_on_demand(copy: Path, tmp_path: Path) -> None:
    write_rows(copy / "Py150" / "test.json", split_rows("Py150", "test", 99))
    (copy / "FOMC" / "eval.json").unlink()
    shutil.rmtree(copy / "20Minuten")
    out = tmp_path / "out"
    done = check("--archive", copy, "--out", out)
    assert done.returncode == 2
    assert [line.split(": ", 2)[2] for line in done.stderr.splitlines()] == [
        "500/FOMC: eval.json is missing",
        "500/Py150: test.json has 99 rows, the published one has 100",
        "500/20Minuten: the folder is missing",
        "not the published archive; nothing was written; --allow-other takes it as it is",
    ]
    assert "99*" in done.stdout
    assert not out.exists()
    taken = check("--archive", copy, "--out", out, "--allow-other")
    assert taken.returncode == 0
    assert taken.stderr.count("accepted: ") == 3
    assert not (out / "500" / "20Minuten").exists()
    assert (out / "500" / "Py150" / "test.json").is_file()


def test_unknown_and_inferred_numbers_are_said_to_be(tmp_path: Path) -> None:
    root = tmp_path / "LLM-CL-Benchmark_1000"
    write_rows(root / "MeetingBank" / "train.json", split_rows("MeetingBank", "train", 3))
    notes = as_json("--archive", root, "--allow-other")["1000"]["notes"]
    assert "MeetingBank: train.json has 3 rows; the published number is not known" in notes
    root = tmp_path / "LLM-CL-Benchmark_5000"
    write_rows(root / "MeetingBank" / "test.json", split_rows("MeetingBank", "test", 3))
    found = as_json("--archive", root, "--allow-other")["5000"]
    told = "MeetingBank: test.json has 3 rows; 692 were inferred from totals, not counted"
    assert told in found["notes"]
    assert told not in found["deviations"]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda data: data[: len(data) // 2], "the download was cut; remove it and fetch it again"),
        (lambda data: b"", "the file is empty"),
        (lambda data: b"<!DOCTYPE html><html>Quota exceeded", "a web page, not a zip file"),
        (lambda data: b"\x1f\x8b" + data, "not a zip file"),
        (lambda data: data[:90] + bytes(20) + data[110:], "is damaged (its checksum differs)"),
    ],
)
def test_broken_zip(damage, told: str, archive: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(damage(archive.read_bytes()))
    line = refused("data", "trace", "--archive", str(broken), "--out", str(tmp_path / "out"))
    assert told in line
    assert str(broken) in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'[{"prompt": "a", "answer": 3}]', "row 0: 'answer' is int, it must be a string"),
        (b'[{"prompt": "a", "answer": "b"}', "malformed JSON in row 1"),
        (b"\xff\xfe", "not UTF-8 text"),
    ],
)
def test_broken_rows(content: bytes, told: str, copy: Path) -> None:
    (copy / "FOMC" / "test.json").write_bytes(content)
    line = refused("data", "trace", "--archive", str(copy), "--allow-other")
    assert told in line
    assert "FOMC/test.json" in line


def test_wrong_arguments(archive: Path, tmp_path: Path) -> None:
    start = ("data", "trace")
    assert "no size 5000 in it; there: 500, reasoning" in refused(
        *start, "--archive", str(archive), "--size", "5000"
    )
    assert "give either --archive" in refused(*start)
    assert "--out names the folder" in refused(*start, "--download")
    assert "there is no file or folder" in refused(*start, "--archive", str(tmp_path / "none"))
    assert "no <task>/train.json" in refused(*start, "--archive", str(tmp_path))


@needs_data("trace-500")
def test_real_files(tmp_path: Path) -> None:
    done = check("--archive", DATA, "--out", tmp_path, "--allow-other", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    shared = {
        (size, name): task["shared"]["train-test"]["prompts"]
        for size, part in found.items()
        for name, task in part["tasks"].items()
    }
    assert {where: count for where, count in shared.items() if count} == {
        ("500", "FOMC"): 1,
        ("500", "Py150"): 3,
        ("500", "NumGLUE-ds"): 6,
        ("500", "Lima"): 1,
        ("reasoning", "FOMC"): 54,
        ("reasoning", "Py150"): 13,
        ("reasoning", "NumGLUE-ds"): 17,
    }
    assert found["500"]["tasks"]["NumGLUE-cm"]["splits"]["train"]["prompts"] == 256
    assert found["500"]["deviations"] == [
        "MeetingBank: train.json has 376 rows, the published one has 500"
    ]
    assert len(found["reasoning"]["deviations"]) == TASKS  # its eval files are not there
