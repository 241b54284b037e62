"""What was freed goes back to the system, and steps keep the C library's own way."""

import os
import subprocess
import sys

import pytest
import torch
from support.places import REPOSITORY

from harness.models.memory import release_memory

# blocks(size): allocate 160 MB in blocks of so many MB with small ones between that stay, free
# them; the MB that are kept.
PROLOGUE = """
import ctypes
from pathlib import Path
from harness.models.memory import lasting_blocks, return_freed

C = ctypes.CDLL(None)
C.malloc.restype = ctypes.c_void_p
C.malloc.argtypes = [ctypes.c_size_t]
C.free.argtypes = [ctypes.c_void_p]

def held():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if "RssAnon" in line) // 1024

def blocks(size):
    before, large = held(), []
    for _ in range(160 // size):
        large.append(C.malloc(size << 20))
        ctypes.memset(large[-1], 1, size << 20)
        C.malloc(1000)
    for block in large:
        C.free(block)
    return held() - before
"""
AS_IT_IS = "C.free(C.malloc(30 << 20)); first = blocks(4); return_freed(); print(first, held())"
LASTING = """
with lasting_blocks(gathering={gathering}):
    print(blocks(4), end=" ")
print(blocks({size}))
"""
FEW, MOST = 20, 100  # MB
pytestmark = pytest.mark.skipif(
    not hasattr(os, "confstr") or "glibc" not in (os.confstr("CS_GNU_LIBC_VERSION") or ""),
    reason="glibc's ways with large blocks",
)


def told(program: str, **variables: str) -> list[int]:
    """The numbers that a process prints."""
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + program],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
        env={n: v for n, v in os.environ.items() if not n.startswith("MALLOC_")} | variables,
    )
    return [int(word) for word in done.stdout.split()]


def test_pinned_memory_goes_back_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    monkeypatch.setattr(torch._C, "_host_emptyCache", lambda: called.append("host"), raising=False)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: called.append("device"))
    for there in (False, True):
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda there=there: there)
        release_memory()
    assert called == ["device", "host"]


def test_freed_blocks_go_back() -> None:
    kept, after = told("base = held(); " + AS_IT_IS.replace("held())", "held() - base)"))
    assert kept > MOST
    assert after < FEW


@pytest.mark.parametrize("gathering", [False, True])
@pytest.mark.parametrize("size", [4, 16])
def test_what_lasts_goes_back_and_what_steps_use_stays(gathering: bool, size: int) -> None:
    lasting, stepped = told(LASTING.format(gathering=gathering, size=size))
    assert lasting < FEW
    assert stepped < FEW if gathering and size == 16 else stepped > MOST


def test_the_users_own_threshold_is_obeyed() -> None:
    wanted = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}
    assert max(told(LASTING.format(gathering=False, size=16), **wanted)) < FEW
