"""What an archive from elsewhere says of its members, before anything of it is unpacked."""

import re
import stat
from collections.abc import Iterator, Sequence
from zipfile import ZipInfo

LARGEST_FILE = 1 << 29  # bytes, unpacked; the largest of TRACE has a tenth of that
LARGEST = 1 << 32  # of all together
MOST_MEMBERS = 10_000
MOST_TIMES = 200  # smaller than unpacked; text is some ten times
_SMALL = 1 << 20  # what unpacks to no more may be packed as well as it likes
_ELSEWHERE = re.compile(r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|\\|[\x00-\x1f\x7f]")


def zip_problems(members: Sequence[ZipInfo]) -> Iterator[str]:
    """Why a zip is not to be unpacked, a line each: names that lead elsewhere, links and devices,
    one name twice (letters' case aside), sizes of a bomb."""
    if len(members) > MOST_MEMBERS:
        yield f"it has {len(members):,} members, more than {MOST_MEMBERS:,}"
        return
    seen = dict[str, str]()
    for member in members:
        name = member.filename
        if _ELSEWHERE.search(name):
            yield f"{name!r} is no name of a file in it"
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            yield f"{name!r} is a link or a device"
        other = seen.setdefault(name.rstrip("/").casefold(), name)
        if other is not member.filename and not (other == name and name.endswith("/")):
            yield f"{name!r} is there twice" if other == name else f"{name!r} is {other!r} as well"
        if member.file_size > LARGEST_FILE:
            yield f"{name!r} unpacks to {member.file_size:,} bytes"
        elif member.file_size > max(_SMALL, MOST_TIMES * member.compress_size):
            yield f"{name!r} unpacks to more than {MOST_TIMES} times its size"
    if sum(member.file_size for member in members) > LARGEST:
        yield f"it unpacks to more than {LARGEST:,} bytes"
