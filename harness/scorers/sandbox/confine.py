"""The process in which somebody else's program runs; imports nothing of ours.

`python confine.py <program> <settings>`, started by `sandbox.run`. It gives up what it does not
need in layers: limits on CPU seconds, memory and sizes of files; namespaces of its own without a
network and with processes that end with their first one, where users may have them; Landlock (Linux
5.13), by which files are read in Python's folders and its working folder alone and written in the
latter alone; a filter of system calls without new processes, sockets and signals to others (x86-64,
ARM64). Then it runs the program and writes what became of it to the pipe that settings name. Where
one of the last two is not to be had, nothing runs.
"""

import ctypes
import json
import os
import platform
import resource
import runpy
import signal
import struct
import sys

NEW_USER, NEW_NET, NEW_PID, NEW_IPC = 0x10000000, 0x40000000, 0x20000000, 0x08000000
NO_NEW_PRIVILEGES, DIE_WITH_PARENT, FILTER_CALLS = 38, 1, 22
# Landlock (kernel's include/uapi/linux/landlock.h): numbers of its calls are the same everywhere.
CREATE_RULES, ADD_RULE, RESTRICT_SELF = 444, 445, 446
READ = (1 << 0) | (1 << 2) | (1 << 3)  # execute and read files, list folders
ALL = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}  # rights by version; later: as 3
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
SYSTEM = ("/usr", "/lib", "/lib64", "/etc/localtime", "/etc/ld.so.cache", "/proc/self")
# Calls by machine: its number; clone3, which answers "not there", so that libraries take clone,
# which is refused unless it makes a thread; those refused: fork, vfork, execve, execveat, socket,
# ptrace, kill, tkill, tgkill, io_uring_setup (by which sockets could be had as well).
CALLS = {
    "x86_64": (0xC000003E, 435, 56, (57, 58, 59, 322, 41, 101, 62, 200, 234, 425)),
    "aarch64": (0xC00000B7, 435, 220, (221, 281, 198, 117, 129, 130, 131, 425)),
}
OTHER_CALLS = 0x40000000  # from here on x86-64 has the same calls under other numbers
THREAD = 0x00010000
ALLOWED, REFUSED, NOT_THERE = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Confine this process, run the program, tell."""
    program, settings = sys.argv[1], json.loads(sys.argv[2])
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
    if not only_files_in(folder):
        told = "no Landlock, by which its files are kept in its folder"
    elif not no_processes():
        told = "no filter of system calls, by which it starts no process"
    else:
        told = _run(program)
    os.write(settings["pipe"], f"{settings['token']} {told}".encode()[:2000])


def _run(program: str) -> str:
    """ "ended", or the kind of the error that ended it."""
    try:
        runpy.run_path(program, run_name="__main__")
    except BaseException as error:
        return type(error).__name__
    return "ended"


def only_files_in(folder: str) -> bool:
    """Landlock: is it there?"""
    version = libc.syscall(CREATE_RULES, None, 0, 1)
    if version < 1:
        return False
    rights = ALL[min(version, 3)]
    handled = struct.pack("Q", rights)
    rules = libc.syscall(CREATE_RULES, handled, len(handled), 0)
    readable = {*SYSTEM, sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path}
    for path, allowed in ((folder, rights), *((p, READ) for p in readable)):
        _allow(rules, path, allowed)
    for device in DEVICES:
        _allow(rules, device, (1 << 1) | (1 << 2))
    return libc.syscall(RESTRICT_SELF, rules, 0) == 0


def _allow(rules: int, path: str, rights: int) -> None:
    if not path or not os.path.exists(path):
        return
    if not os.path.isdir(path):
        rights &= (1 << 0) | (1 << 1) | (1 << 2) | (1 << 14)  # those that a file can have
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = struct.pack("=Qi", rights, place)
    libc.syscall(ADD_RULE, rules, 1, rule, 0)
    os.close(place)


def no_processes() -> bool:
    """A filter of system calls in the kernel's small machine: is it there?"""
    if platform.machine() not in CALLS:
        return False
    machine, clone3, clone, refused = CALLS[platform.machine()]
    # load = 0x20 (of the call: 0 its number, 4 its machine, 16 its first argument), equal? = 0x15,
    # no less? = 0x35, any bit? = 0x45, answer = 0x06; behind them how far to jump if so, if not.
    lines = [(0x20, 0, 0, 4), (0x15, 1, 0, machine), (0x06, 0, 0, REFUSED), (0x20, 0, 0, 0)]
    lines += [(0x35, 0, 1, OTHER_CALLS), (0x06, 0, 0, REFUSED)]
    lines += [(0x15, 0, 1, clone3), (0x06, 0, 0, NOT_THERE)]
    for number in refused:
        lines += [(0x15, 0, 1, number), (0x06, 0, 0, REFUSED)]
    lines += [(0x15, 0, 3, clone), (0x20, 0, 0, 16), (0x45, 1, 0, THREAD), (0x06, 0, 0, REFUSED)]
    lines += [(0x06, 0, 0, ALLOWED)]
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    held = ctypes.create_string_buffer(code)
    whole = struct.pack("HxxxxxxQ", len(lines), ctypes.addressof(held))
    return libc.prctl(FILTER_CALLS, 2, ctypes.create_string_buffer(whole), 0, 0) == 0


if __name__ == "__main__":
    main()
