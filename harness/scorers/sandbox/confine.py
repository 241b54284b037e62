"""The process in which somebody else's program runs; imports nothing of ours.

`python confine.py <program>`, started by `sandbox.run`, reads settings from its input. It gives up
what it does not need in layers: limits on CPU seconds, memory and sizes of files; namespaces of its
own without a network and with processes that end with their first one, where users may have them;
what a superuser may; Landlock (Linux 5.13), by which files are read in the standard library, the
system's libraries and its working folder alone and written in the latter alone; the filter of
system calls that settings hold (`sandbox.calls`). Then it runs the program and writes what became
of it to the pipe that settings name. Where one of the last two is not to be had, nothing runs.

What stays open: whether a path exists elsewhere, and how large that file is; names of packages that
lie below the standard library.
"""

import ctypes
import json
import os
import resource
import runpy
import signal
import struct
import sys

NEW_USER, NEW_NET, NEW_PID, NEW_IPC = 0x10000000, 0x40000000, 0x20000000, 0x08000000
CAPABILITIES = 0x20080522  # version of the words that capset takes
NO_NEW_PRIVILEGES, DIE_WITH_PARENT, FILTER_CALLS = 38, 1, 22
# Landlock (kernel's include/uapi/linux/landlock.h): numbers of its calls are the same everywhere.
CREATE_RULES, ADD_RULE, RESTRICT_SELF = 444, 445, 446
READ = (1 << 0) | (1 << 2) | (1 << 3)  # execute and read files, list folders
ALL = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}  # rights by version; later: as 3
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache", "/proc/self")
SYSTEM += ("/etc/localtime", "/usr/share/zoneinfo")
LIST = 1 << 3  # list folders
NOT_STANDARD = ("site-packages", "dist-packages")

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Confine this process, run the program, tell."""
    program, settings = sys.argv[1], json.load(sys.stdin)
    libc.prctl(DIE_WITH_PARENT, signal.SIGKILL)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    for flags in (NEW_USER | NEW_NET | NEW_PID | NEW_IPC, NEW_USER | NEW_NET):
        if libc.unshare(flags) == 0:
            break
    child = os.fork()  # the first process of its namespace: with it all others end
    if child:
        os.waitpid(child, 0)
        return
    libc.prctl(DIE_WITH_PARENT, signal.SIGKILL)
    folder = os.getcwd()
    for name, value in settings["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    # Also for a superuser without a namespace of its own, who could lift the limits again.
    libc.capset(struct.pack("Ii", CAPABILITIES, 0), bytes(24))
    if not only_files_in(folder):
        told = "error no Landlock, by which its files are kept in its folder"
    elif not no_processes(bytes.fromhex(settings["filter"])):
        told = "error no filter of system calls, by which it starts no process"
    else:
        told = _run(program)
    os.write(settings["pipe"], f"{settings['token']} {told}".encode(errors="replace")[:2000])


def _run(program: str) -> str:
    """ "ok", or "error" and the kind of the error that ended it."""
    sys.argv = [program]
    try:
        runpy.run_path(program, run_name="program")  # what stands below __main__ does not run
    except BaseException as error:
        return f"error {type(error).__name__}"
    return "ok"


def only_files_in(folder: str) -> bool:
    """Landlock: is it there?"""
    version = libc.syscall(CREATE_RULES, None, 0, 1)
    if version < 1:
        return False
    rights = ALL[min(version, 3)]
    handled = struct.pack("Q", rights)
    rules = libc.syscall(CREATE_RULES, handled, len(handled), 0)
    _allow(rules, folder, rights)
    for path in (*SYSTEM, *_libraries()):
        _allow(rules, path, READ)
    for path in sys.path:
        _allow(rules, path, LIST)  # which imports do; files of packages that lie below stay closed
    for device in DEVICES:
        _allow(rules, device, (1 << 1) | (1 << 2))
    return libc.syscall(RESTRICT_SELF, rules, 0) == 0


def _libraries() -> list[str]:
    """The standard library's parts, and shared libraries that lie with this Python."""
    found = [path for path in sys.path if os.path.isfile(path)]
    for path in filter(os.path.isdir, sys.path):
        names = (name for name in os.listdir(path) if name not in NOT_STANDARD)
        found += (os.path.join(path, name) for name in names)
    for path in {os.path.join(sys.base_prefix, name) for name in ("lib", sys.platlibdir)}:
        names = os.listdir(path) if os.path.isdir(path) else []
        shared = (os.path.join(path, name) for name in names if ".so" in name)
        found += filter(os.path.isfile, shared)
    return found


def _allow(rules: int, path: str, rights: int) -> None:
    if not path or not os.path.exists(path):
        return
    if not os.path.isdir(path):
        rights &= (1 << 0) | (1 << 1) | (1 << 2) | (1 << 14)  # those that a file can have
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = struct.pack("=Qi", rights, place)
    libc.syscall(ADD_RULE, rules, 1, rule, 0)
    os.close(place)


def no_processes(code: bytes) -> bool:
    """A filter of system calls in the kernel's small machine: is it there?"""
    if not code:
        return False
    held = ctypes.create_string_buffer(code)
    whole = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(held))
    return libc.prctl(FILTER_CALLS, 2, ctypes.create_string_buffer(whole), 0, 0) == 0


if __name__ == "__main__":
    main()
