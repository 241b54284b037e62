"""Which system calls a confined program is refused: by the filter's own lines on both machines, by
the numbers of the kernel's headers, and by what programs get done here."""

import platform
import re
import struct
import subprocess
import time
from pathlib import Path

import pytest
from support.fence import require_fence

from harness.scorers.sandbox import run
from harness.scorers.sandbox.calls import REFUSED_CALLS, filter_for
from harness.scorers.sandbox.run import Limits, run_program

HEADERS = (
    Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    Path("/usr/include/asm-generic/unistd.h"),
)
ALLOW, EPERM, ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def answer(code: bytes, machine: int, number: int, *arguments: int) -> int:
    """The small machine, as the kernel's filter.rst describes it."""
    words = struct.pack("IIQ6Q", number, machine, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    lines = list(struct.iter_unpack("HBBI", code))
    at, held = 0, 0
    while True:
        what, so, not_so, value = lines[at]
        at += 1
        if what == 0x20:
            held = struct.unpack_from("I", words, value)[0]
        elif what == 0x06:
            return value
        else:
            holds = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[what]
            at += so if holds else not_so


# name: number on x86-64, on ARM64; arguments; what comes of it
ASKED = {
    "read": ((0, 63), (), ALLOW),
    "openat": ((257, 56), (), ALLOW),
    "fchmod": ((91, 52), (), EPERM),
    "utimensat": ((280, 88), (), EPERM),
    "shmget": ((29, 194), (), EPERM),
    "setsid": ((112, 157), (), EPERM),
    "clone3": ((435, 435), (), ENOSYS),
    "clone of a process": ((56, 220), (0x11,), EPERM),
    "clone of a thread": ((56, 220), (0x3D0F00,), ALLOW),
    "prlimit64 of itself": ((302, 261), (0, 7), ALLOW),
    "prlimit64 of another": ((302, 261), (1, 7), EPERM),
    "PR_SET_PDEATHSIG": ((157, 167), (1,), EPERM),
    "PR_SET_NAME": ((157, 167), (15,), ALLOW),
    "F_SETOWN": ((72, 25), (3, 8), EPERM),
    "F_SETOWN_EX": ((72, 25), (3, 15), EPERM),
    "F_GETFD": ((72, 25), (3, 1), ALLOW),
    "FIOSETOWN": ((16, 29), (3, 0x8901), EPERM),
    "FIOCLEX": ((16, 29), (3, 0x5451), ALLOW),
}


@pytest.mark.parametrize("machine", AUDIT)
@pytest.mark.parametrize("name", ASKED)
def test_what_the_filter_answers(name: str, machine: str) -> None:
    numbers, arguments, expected = ASKED[name]
    number = numbers[list(AUDIT).index(machine)]
    code = filter_for(machine)
    assert answer(code, AUDIT[machine], number, *arguments) == expected
    assert answer(code, 0x40000003, number, *arguments) == EPERM  # calls of 32 bits
    assert answer(code, AUDIT[machine], number | 0x40000000, *arguments) == EPERM  # of x32


def test_no_filter_for_a_machine_that_is_not_known() -> None:
    assert filter_for("riscv64") == b""


@pytest.mark.parametrize("which", [0, 1])
def test_numbers_are_those_of_the_kernels_headers(which: int) -> None:
    if not HEADERS[which].is_file():
        pytest.skip(f"no {HEADERS[which]}")
    found = re.findall(r"#define __NR_(\w+)\s+(\d+)", HEADERS[which].read_text())
    published = {name: int(number) for name, number in found}
    ours = {name: numbers[which] for name, numbers in REFUSED_CALLS.items()}
    late = {"fchmodat2", "setxattrat", "removexattrat", "file_setattr"}  # from Linux 6.6 on
    lacking = {name for name in ours if name not in published}
    assert lacking <= late | {name for name, number in ours.items() if number is None}
    assert {n: v for n, v in ours.items() if n in published} == {
        n: v for n, v in published.items() if n in ours
    }


@pytest.fixture
def fence() -> None:
    require_fence()


@pytest.mark.usefixtures("fence")
def test_what_files_are_said_to_be_is_not_changed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("mine")
    before = kept.stat()
    tries = ("chmod({0!r}, 0)", "utime({0!r}, (0, 0))", "chown({0!r}, -1, -1)")
    tries += ("lchown({0!r}, -1, -1)", "setxattr({0!r}, 'user.a', b'b')")
    for text in tries:
        assert run_program(f"import os; os.{text.format(str(kept))}").told == "PermissionError"
    after = kept.stat()
    assert (after.st_mode, after.st_mtime, after.st_ctime_ns) == (
        before.st_mode,
        before.st_mtime,
        before.st_ctime_ns,
    )


@pytest.mark.usefixtures("fence")
def test_no_memory_is_had_that_no_limit_counts() -> None:
    if platform.machine() == "x86_64":
        for number, first in ((29, "0"), (64, "0"), (68, "0")):  # shmget, semget, msgget
            text = "import ctypes, os\nl = ctypes.CDLL(None, use_errno=True)\n"
            text += f"assert l.syscall({number}, {first}, 4096, 0o1600) == -1\n"
            text += "assert ctypes.get_errno() == 1, ctypes.get_errno()"
            assert run_program(text).passed
    assert run_program("import os; os.memfd_create('a')").told == "PermissionError"


@pytest.mark.usefixtures("fence")
def test_limits_are_not_lifted_and_no_right_of_a_superuser_is_left() -> None:
    text = "import resource as r\nr.setrlimit(r.RLIMIT_CPU, (10**6, 10**6))"
    assert run_program(text).told == "ValueError"
    text = "line = next(l for l in open('/proc/self/status') if l.startswith('CapEff'))\n"
    assert run_program(text + "assert int(line.split()[1], 16) == 0, line").passed


@pytest.fixture
def without_namespaces(fence: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As where users may have none: other processes are seen by a program."""
    text, asked = run.CONFINE.read_text(), "if libc.unshare(flags) == 0:"
    assert asked in text
    place = tmp_path / "confine.py"
    place.write_text(text.replace(asked, "if True:"))
    monkeypatch.setattr(run, "CONFINE", place)
    return place


LEAVING = {
    "setsid": "os.setsid()",
    "setpgid": "os.setpgid(0, 0)",
    "outliving": "assert ctypes.CDLL(None).prctl(1, 0, 0, 0, 0) == 0",
}


@pytest.mark.parametrize("name", LEAVING)
def test_no_program_leaves_its_group(name: str, without_namespaces: Path) -> None:
    assert not run_program(f"import ctypes, os\n{LEAVING[name]}").passed


def test_what_is_killed_is_gone_without_namespaces(without_namespaces: Path) -> None:
    text = "import ctypes, os, time\nctypes.CDLL(None).prctl(1, 0, 0, 0, 0)\n"
    text += "try: os.setsid()\nexcept OSError: pass\ntime.sleep(30)"
    assert not run_program(text, Limits(wall=1.0)).passed
    for _ in range(50):
        if not (left := _with_command(str(without_namespaces))):
            return
        time.sleep(0.1)
    raise AssertionError(left)


def _with_command(word: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word in entry.read_text():
                found.append(entry.parent.name)
        except OSError:
            continue
    return found


REACHING = {
    "signal": "os.kill({0}, 9)",
    "descriptor": "signal.pidfd_send_signal(os.pidfd_open({0}), 9)",
    "limits": "resource.prlimit({0}, resource.RLIMIT_CPU, (1, 1))",
    "priority": "os.setpriority(os.PRIO_PROCESS, {0}, 19)",
    "queued": "i = struct.pack('iii', 9, 0, -1) + bytes(116)\n"  # as sigqueue has it
    "assert libc.syscall({1}, {0}, 9, i) == 0",
    "owner": "r, w = os.pipe(); fcntl.fcntl(r, fcntl.F_SETOWN, {0})",
}


@pytest.mark.parametrize("name", REACHING)
def test_no_other_process_is_reached_without_namespaces(
    name: str, without_namespaces: Path
) -> None:
    queued = {"x86_64": 129, "aarch64": 138}[platform.machine()]
    with subprocess.Popen(["sleep", "60"]) as victim:
        text = "import ctypes, fcntl, os, resource, signal, struct\nlibc = ctypes.CDLL(None)\n"
        found = run_program(text + REACHING[name].format(victim.pid, queued))
        with pytest.raises(subprocess.TimeoutExpired):
            victim.wait(0.2)
        victim.kill()
    assert found.told in ("PermissionError", "AssertionError")
