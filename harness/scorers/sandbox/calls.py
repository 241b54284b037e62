"""Which system calls a confined program is refused, as a program of the kernel's small machine
(seccomp, the kernel's Documentation/userspace-api/seccomp_filter.rst)."""

import struct
from collections.abc import Iterator

Line = tuple[int, int, int, int]

# Refused by name: number on x86-64, on ARM64 (None: it has no such call).
REFUSED_CALLS: dict[str, tuple[int | None, int | None]] = {
    # new processes and programs; the network; io_uring, by which sockets could be had as well
    **{"fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281)},
    **{"socket": (41, 198), "io_uring_setup": (425, 425)},
    # other processes: signals, memory, limits, priorities; leaving the group that is killed
    **{"kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "ptrace": (101, 117)},
    **{"rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240)},
    **{"pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438)},
    **{"process_vm_readv": (310, 270), "process_vm_writev": (311, 271)},
    **{"process_madvise": (440, 440), "process_mrelease": (448, 448)},
    **{"setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setaffinity": (203, 122)},
    **{"sched_setparam": (142, 118), "sched_setscheduler": (144, 119)},
    **{"sched_setattr": (314, 274), "migrate_pages": (256, 238), "move_pages": (279, 239)},
    **{"setsid": (112, 157), "setpgid": (109, 154)},
    # what files are said to be, which Landlock leaves open: mode, owner, times, attributes
    **{"chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452)},
    **{"chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54)},
    **{"utime": (132, None), "utimes": (235, None), "futimesat": (261, None)},
    **{"utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7)},
    **{"removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16)},
    **{"setxattrat": (463, 463), "removexattrat": (466, 466), "file_setattr": (469, 469)},
    # memory that no limit of the process counts
    **{"shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180)},
    **{"memfd_create": (319, 279), "memfd_secret": (447, 447)},
    # other namespaces and other parts of the kernel
    **{"unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39)},
    **{"add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219)},
    **{"bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282)},
}
# Refused where an argument (0 = the first) has one of these values: to outlive the parent; to have
# signals sent to another process when a file is ready; attributes of files.
REFUSED_VALUES: dict[str, tuple[tuple[int, int], int, tuple[int, ...]]] = {
    "prctl": ((157, 167), 0, (1,)),  # PR_SET_PDEATHSIG
    "fcntl": ((72, 25), 1, (8, 10, 15)),  # F_SETOWN, F_SETSIG, F_SETOWN_EX
    # FIOSETOWN, SIOCSPGRP, FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR
    "ioctl": ((16, 29), 1, (0x8901, 0x8902, 0x40086602, 0x401C5820)),
}
PRLIMIT = (302, 261)  # refused for another process than the caller, which is 0
CLONE, CLONE3 = (56, 220), (435, 435)
MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
OTHER_CALLS = 0x40000000  # from here on x86-64 has the same calls under other numbers
THREAD = 0x00010000
ALLOWED, REFUSED, NOT_THERE = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38
# Instructions; the two numbers behind say how many lines are left out if so, and if not.
LOAD, EQUAL, AT_LEAST, ANY_BIT, ANSWER = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, MACHINE, ARGUMENTS = 0, 4, 16  # where a call's words lie, in bytes
NO: Line = (ANSWER, 0, 0, REFUSED)


def filter_for(machine: str) -> bytes:
    """The filter for `platform.machine()`, 8 bytes a line; empty for one that is not known."""
    if machine not in MACHINES:
        return b""
    which = list(MACHINES).index(machine)
    return b"".join(struct.pack("HBBI", *line) for line in _lines(which, MACHINES[machine]))


def _lines(which: int, machine: int) -> Iterator[Line]:
    yield from ((LOAD, 0, 0, MACHINE), (EQUAL, 1, 0, machine), NO)
    yield from ((LOAD, 0, 0, NUMBER), (AT_LEAST, 0, 1, OTHER_CALLS), NO)
    # "Not there" makes libraries take clone, whose flags can be read.
    yield from ((EQUAL, 0, 1, CLONE3[which]), (ANSWER, 0, 0, NOT_THERE))
    for numbers in REFUSED_CALLS.values():
        if (number := numbers[which]) is not None:
            yield from ((EQUAL, 0, 1, number), NO)
    for numbers, argument, values in REFUSED_VALUES.values():
        checks = [line for value in values for line in ((EQUAL, 0, 1, value), NO)]
        yield from _looking_at(argument, numbers[which], checks)
    yield from _looking_at(0, PRLIMIT[which], [(EQUAL, 1, 0, 0), NO])
    yield from _looking_at(0, CLONE[which], [(ANY_BIT, 1, 0, THREAD), NO])
    yield (ANSWER, 0, 0, ALLOWED)


def _looking_at(argument: int, number: int, checks: list[Line]) -> Iterator[Line]:
    """For one call: checks of the lower word of an argument (both machines have it first)."""
    yield (EQUAL, 0, len(checks) + 2, number)
    yield (LOAD, 0, 0, ARGUMENTS + 8 * argument)
    yield from checks
    yield (LOAD, 0, 0, NUMBER)
