"""What a confined program reads, what it may leave in its folder, and how it cannot pretend."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from support.fence import require_fence

import harness
from harness.scorers.sandbox import run
from harness.scorers.sandbox.folder import holds_more, remove
from harness.scorers.sandbox.run import Limits, run_program


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    require_fence()
    monkeypatch.setattr(run.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_neither_this_package_nor_others_are_read(folder: Path) -> None:
    package = Path(harness.__file__)
    for path in (package, package.parents[1] / "pyproject.toml", Path(json.__file__)):
        found = run_program(f"open({str(path)!r}).read()")
        assert found.passed == (path == Path(json.__file__)), path
    assert run_program("import harness").told == "ModuleNotFoundError"
    assert run_program("import numpy").told == "ModuleNotFoundError"
    numpy = Path(sysconfig.get_path("purelib")) / "numpy" / "__init__.py"
    assert numpy.is_file()
    assert run_program(f"open({str(numpy)!r}).read()").told == "PermissionError"


def test_packages_below_the_standard_library_are_not_read(folder: Path) -> None:
    below = Path(sysconfig.get_path("stdlib")) / "site-packages"
    file = next(below.glob("*/__init__.py"), None)
    if file is None:
        pytest.skip(f"no package in {below}")
    assert run_program(f"open({str(file)!r}).read()").told == "PermissionError"


LIBRARY = "asyncio bisect calendar cmath copy csv ctypes dataclasses enum fractions hashlib hmac "
LIBRARY += "inspect io itertools lzma operator pickle queue sqlite3 ssl string struct textwrap "
LIBRARY += "threading time typing unicodedata unittest uuid xml.etree.ElementTree zlib zoneinfo"


def test_the_standard_library_is_imported(folder: Path) -> None:
    here = [name for name in LIBRARY.split() if _is_here(name)]
    text = f"import importlib\nfor name in {here!r}: importlib.import_module(name)\n"
    text += "import asyncio\nasync def one(): return 1\nassert asyncio.run(one()) == 1\n"
    text += "import hashlib, tempfile\nhashlib.sha256(b'').hexdigest()\n"
    text += "from dataclasses import *\n@dataclass\nclass P:\n    x: int = 0\nassert P(2).x == 2\n"
    text += "with tempfile.TemporaryDirectory() as f, open(f + '/x', 'w') as g: g.write('x')"
    assert run_program(text).told == "ended"


def _is_here(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:  # a Python that was built without a library
        return False
    return True


def test_hashes_are_the_same_in_every_run(folder: Path) -> None:
    asked = [sys.executable, "-c", "print(hash('abc'))"]
    seen = subprocess.run(asked, env={"PYTHONHASHSEED": "0"}, capture_output=True, check=True)
    assert run_program(f"assert hash('abc') == {seen.stdout.decode()}").passed


DEEP = "import os\nfor i in range(1500):\n    os.mkdir('a')\n    os.chdir('a')\n"
LEFT = {
    "deep": DEEP,
    "closed": "import os\nos.mkdir('d')\nopen('d/x', 'w').close()\nos.mkdir('d/e', 0)\n",
    "closed from its beginning": "import os\nos.umask(0o777)\nos.makedirs('f')",
    "many": "for i in range(3000): open(f'f{i}', 'w').close()",
    "large": "for i in range(40): open(f'f{i}', 'wb').write(bytes(1 << 20))",
    "links": "import os\nos.symlink('/', 'root')\nos.symlink('link', 'link')\nos.mkfifo('pipe')",
}


@pytest.mark.parametrize("name", LEFT)
def test_nothing_is_left_and_nothing_is_raised(name: str, folder: Path) -> None:
    found = run_program(LEFT[name])
    assert found.passed == (name == "links")
    assert list(folder.iterdir()) == []


def test_what_grows_is_ended_while_it_runs(folder: Path) -> None:
    """By its folder, long before its seconds: without that it would end by them, all the same."""
    text = "import os, time\nfor i in range(40): open(f'f{i}', 'wb').write(bytes(1 << 20))\n"
    text += "time.sleep(3)\nfor i in range(40): os.remove(f'f{i}')"
    assert not run_program(text, Limits(wall=60.0)).passed
    assert run_program(text.replace("40", "10"), Limits(wall=60.0)).passed
    assert list(folder.iterdir()) == []


def test_a_folder_is_removed_whatever_is_in_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("mine")
    deep = tmp_path / "deep"
    deep.mkdir()
    here = os.open(deep, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("a" * 20, dir_fd=here)
        inner = os.open("a" * 20, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.symlink(outside, "out", dir_fd=here)
    os.close(here)
    assert holds_more(deep, 10**9, 10**6)  # too deep to be looked into
    remove(deep)
    assert not deep.exists()
    assert (outside / "kept").read_text() == "mine"
    remove(deep)  # which is gone


def test_what_lies_in_a_folder_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(bytes(100))
    (tmp_path / "c").write_bytes(bytes(50))
    assert not holds_more(tmp_path, 150, 3)
    assert holds_more(tmp_path, 149, 3)
    assert holds_more(tmp_path, 150, 2)
    assert not holds_more(tmp_path / "nothing", 0, 0)


PRETENDING = {
    "named as the word": "class ended(Exception): pass\nraise ended",
    "named as the other word": "class ok(Exception): pass\nraise ok",
    "a name of two words": "raise type('x ok', (Exception,), {})",
    "a name of no text": "raise type('\\udc00 ok', (Exception,), {})",
    "what it was started with": "import json, os, sys\ns = json.loads(sys.argv[2])\n"
    "os.write(s['pipe'], (s['token'] + ' ok').encode())\nos._exit(0)",
    "its command line": "assert b'token' not in open('/proc/self/cmdline', 'rb').read()\n1 / 0",
    "words into every pipe": "import os\nfor i in range(3, 64):\n    try: os.write(i, b'ok')\n"
    "    except OSError: pass\nos._exit(0)",
}


@pytest.mark.parametrize("name", PRETENDING)
def test_no_program_fails_and_passes(name: str, folder: Path) -> None:
    found = run_program(PRETENDING[name])
    assert not found.passed
    assert found.told != "AssertionError"
