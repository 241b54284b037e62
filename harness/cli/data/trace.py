"""`harness data trace`: check TRACE's archive, fetch it, and write the folders for runs."""

import json
import sys
from pathlib import Path

from harness.cli.arguments import Arguments
from harness.cli.say import say
from harness.data.trace.archive import find_sizes, known_counts, open_archive
from harness.data.trace.check import SizeReport, check_size
from harness.data.trace.check_text import LEGEND, as_json, as_text
from harness.data.trace.download import PUBLISHED, download
from harness.data.trace.prepare import Written, prepare_size
from harness.errors import ConfigError
from harness.store.files import file_sha256

_DESCRIPTION = """\
Check the TRACE archive (a zip or its unpacked folder): which sizes and tasks are there, rows
against the published numbers, the hash of every file, repeated prompts, prompts that splits share,
eval splits that equal test. With --out, write <out>/<size>/<task>/{train,eval,test}.json as they
are in the archive, and <out>/<size>/prepared.json with hashes and findings; run with
data.root=<out>/<size>."""


def main(argv: list[str]) -> int:
    """Check, fetch or write; returns 2 after one line each for what makes the data another than
    the published, or raises a HarnessError."""
    options = _parser().parse_args(argv)
    if bool(options.archive) == options.download:
        raise ConfigError("harness data trace: give either --archive <zip or folder> or --download")
    if options.download and options.out is None:
        raise ConfigError("harness data trace --download: --out names the folder to fetch into")
    if (options.url or options.sha256) and not options.download:
        raise ConfigError("harness data trace: --url and --sha256 go with --download")
    place = options.archive
    if options.download:
        place = _fetch(options.url or PUBLISHED, options.out, options.sha256)
    archive = open_archive(place)
    trees = find_sizes(archive, options.size)
    reports = {size: check_size(archive, size, tree) for size, tree in trees.items()}
    deviations = [f"{r.size}/{line}" for r in reports.values() for line in r.deviations]
    wanted = options.out is not None and (options.allow_other or not deviations)
    written = []
    if wanted:
        written = [prepare_size(archive, trees[s], r, options.out) for s, r in reports.items()]
    _show(list(reports.values()), written, options.json)
    told = "accepted" if options.allow_other else "error"
    for line in deviations:
        print(f"{told}: {place}: {line}", file=sys.stderr)
    if options.allow_other:
        return 0
    if deviations:
        nothing = "; nothing was written" if options.out else ""
        print(
            f"error: {place}: not the published archive{nothing}; --allow-other takes it as it is",
            file=sys.stderr,
        )
    return 2 if deviations else 0


def _show(reports: list[SizeReport], written: list[Written], plain: bool) -> None:
    if plain:
        print(json.dumps({r.size: as_json(r) for r in reports}, ensure_ascii=False, indent=1))
        return
    say("\n\n".join(as_text(report) for report in reports))
    say(LEGEND)
    for done in written:
        say(f"{done.folder}: {done.copied} files copied, {done.verified} verified")


def _fetch(url: str, out: Path, sha256: str | None) -> Path:
    """The archive in `<out>/download`, fetched unless it is there."""
    target = download(url, out / "download" / "TRACE-Benchmark.zip", sha256)
    if sha256 is None:
        found = file_sha256(target)
        print(f"{target}: sha256 {found} (no official one is published; note it)", file=sys.stderr)
    return target


def _parser() -> Arguments:
    parser = Arguments(prog="harness data trace", description=_DESCRIPTION)
    parser.add_argument("--archive", type=Path, help="the zip or its unpacked folder")
    parser.add_argument("--out", type=Path, help="write the checked files below this folder")
    parser.add_argument("--size", choices=list(known_counts()), help="only this size")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--allow-other",
        action="store_true",
        help="accept missing files and numbers of rows other than the published ones",
    )
    parser.add_argument("--download", action="store_true", help="fetch the archive first")
    parser.add_argument("--url", help="fetch it from here instead of the published place")
    parser.add_argument("--sha256", help="refuse a downloaded file with another hash")
    return parser
