"""Archives that would write elsewhere or fill the disk: one line, and nothing is written."""

import stat
import zipfile
from pathlib import Path

import pytest
from support.command import refused

from harness.data.trace import zip_entries
from harness.data.trace.archive import ZipArchive, open_archive
from harness.errors import DataError

GOOD = "LLM-CL-Benchmark_500/FOMC/train.json"


def packed(path: Path, *names: str | zipfile.ZipInfo, data: bytes = b"[]") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in (GOOD, *names):
            target.writestr(name, data)
    return path


def of_kind(kind: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo("LLM-CL-Benchmark_500/FOMC/test.json")
    member.external_attr = (kind | 0o777) << 16
    return member


@pytest.mark.parametrize(
    ("member", "told"),
    [
        ("../train.json", "'../train.json' is no name of a file in it"),
        ("a/../../500/FOMC/train.json", "is no name of a file in it"),
        ("/etc/cron.d/x", "'/etc/cron.d/x' is no name of a file in it"),
        ("C:/x/train.json", "is no name of a file in it"),
        ("..\\train.json", "is no name of a file in it"),
        ("a\x1b[2J/train.json", "is no name of a file in it"),
        (of_kind(stat.S_IFLNK), "is a link or a device"),
        (of_kind(stat.S_IFBLK), "is a link or a device"),
        (of_kind(stat.S_IFIFO), "is a link or a device"),
        (GOOD.replace("FOMC", "fomc"), f"is '{GOOD}' as well"),
    ],
)
def test_members_that_lead_elsewhere(
    member: str | zipfile.ZipInfo, told: str, tmp_path: Path
) -> None:
    path, out = packed(tmp_path / "trace.zip", member), tmp_path / "out"
    line = refused("data", "trace", "--archive", str(path), "--out", str(out), "--size", "500")
    assert told in line
    assert line.startswith(f"error: {path}: ")
    assert "\x1b" not in line
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["trace.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is there twice"):
        ZipArchive(packed(tmp_path / "trace.zip", GOOD)).names()


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = packed(tmp_path / "bomb.zip", data=b" " * (1 << 24))
    assert path.stat().st_size < 1 << 15
    line = refused("data", "trace", "--archive", str(path))
    assert "unpacks to more than 200 times its size" in line


def test_sizes_and_numbers_have_bounds(tmp_path: Path) -> None:
    members = [zipfile.ZipInfo(f"{number}.json") for number in range(12)]
    assert list(zip_entries.zip_problems(members)) == []
    for member in members:
        member.file_size = member.compress_size = zip_entries.LARGEST_FILE
    assert list(zip_entries.zip_problems(members)) == [
        "it unpacks to more than 4,294,967,296 bytes"
    ]
    members[0].file_size += 1
    assert "'0.json' unpacks to 536,870,913 bytes" in list(zip_entries.zip_problems(members))
    many = [zipfile.ZipInfo(f"{number}.json") for number in range(10_001)]
    assert list(zip_entries.zip_problems(many)) == ["it has 10,001 members, more than 10,000"]


def test_an_entry_that_lies_about_its_size_gives_no_more_than_it_tells(tmp_path: Path) -> None:
    path = packed(tmp_path / "liar.zip", data=b"[" + b" " * 5000 + b"]")
    data = path.read_bytes()
    small = (2).to_bytes(4, "little")
    path.write_bytes(data.replace((5002).to_bytes(4, "little"), small))
    archive = ZipArchive(path)
    assert archive.names() == [GOOD]
    with pytest.raises(DataError, match="is damaged"):
        archive.read(GOOD)


def test_the_files_of_a_folder_may_be_links_as_a_hub_s_are(tmp_path: Path) -> None:
    (tmp_path / "blob").write_text("[1]")
    folder = tmp_path / "trace" / "LLM-CL-Benchmark_500" / "FOMC"
    folder.mkdir(parents=True)
    (folder / "train.json").symlink_to(tmp_path / "blob")
    assert open_archive(tmp_path / "trace").read(GOOD) == b"[1]"
