"""What was freed goes back to the system."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.places import REPOSITORY

# Blocks of 8 MB between small ones that stay, after one of 30 MB was freed: glibc keeps such ones.
FREE = """
import ctypes
from pathlib import Path
from harness.models.memory import return_freed

def held():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if "RssAnon" in line) // 1024

C = ctypes.CDLL(None)
C.malloc.restype = ctypes.c_void_p
C.malloc.argtypes = [ctypes.c_size_t]
C.free.argtypes = [ctypes.c_void_p]
C.free(C.malloc(30 << 20))
before, large = held(), []
for _ in range(20):
    large.append(C.malloc(8 << 20))
    ctypes.memset(large[-1], 1, 8 << 20)
    C.malloc(1000)
for block in large:
    C.free(block)
kept = held() - before
return_freed()
print(kept, held() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's own figures")
def test_freed_blocks_go_back() -> None:
    told = subprocess.run(
        [sys.executable, "-c", FREE], capture_output=True, text=True, check=True, cwd=REPOSITORY
    ).stdout.split()
    kept, after = map(int, told)
    if kept < 100:
        pytest.skip("this C library keeps nothing")
    assert after < 20  # MB, of 160
