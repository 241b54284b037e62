"""Programs of a model: what good ones score, and what hostile ones do not get done."""

import http.server
import os
import threading
from pathlib import Path

import pytest
from support.fence import require_fence

from harness.errors import StageFailed
from harness.scorers import programs
from harness.scorers.programs import python_tests, whole_program
from harness.scorers.sandbox import run
from harness.scorers.sandbox.run import Limits, run_program

FEW = Limits(cpu=1, wall=20.0)


@pytest.fixture(autouse=True)
def fence() -> None:
    require_fence()


def test_what_ends_passes_and_what_fails_says_how() -> None:
    assert run_program("print(sum(range(10)))").passed
    assert run_program("assert 1 == 2").told == "AssertionError"
    assert run_program("def f(:").told == "SyntaxError"
    assert not run_program("import sys; sys.exit(0)").passed  # it never came to its tests
    assert run_program("import os; os._exit(0)").told == "stopped"


LOOPS = {
    "loops": "while True: pass",
    "catches all": "while True:\n    try:\n        while True: pass\n"
    "    except BaseException: pass",
    "ignores signals": "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\n"
    "while True: pass",
    "takes memory": "a = []\nwhile True: a.append(bytearray(10**7))",
    "writes on": "f = open('own', 'wb')\nwhile True: f.write(b'0' * 10**5)",
    "opens all": "k = [open('own', 'w') for _ in range(10**4)]",
}


@pytest.mark.parametrize("name", LOOPS)
def test_limits_end_what_does_not(name: str) -> None:
    assert not run_program(LOOPS[name], FEW).passed


def test_what_sleeps_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    found = run_program("import time; time.sleep(1000)", Limits(wall=1.0))
    assert found.told == "stopped"


def of_this_machine(word: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if word in (entry / "cmdline").read_text():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


FORKS = {
    "bomb": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "daemon": "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
    "        time.sleep(1000)",
    "command": "import subprocess\nsubprocess.run(['sleep', '1000'], check=True)",
    "shell": "import os\nassert os.system('true') == 0",
    "many": "import multiprocessing as m\np = m.Process(target=print)\np.start()\np.join()\n"
    "assert p.exitcode == 0",
}


@pytest.mark.parametrize("name", FORKS)
def test_no_process_is_started_and_none_is_left(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run.tempfile, "tempdir", str(tmp_path))
    assert not run_program(FORKS[name], FEW).passed
    assert not of_this_machine(str(tmp_path))  # a fork has the command line of what forks


def test_threads_are_no_processes() -> None:
    text = "import threading\nt = threading.Thread(target=print)\nt.start()\nt.join()"
    assert run_program(text).passed


@pytest.mark.parametrize("how", ["open({!r}, 'w')", "__import__('os').mkdir({!r})"])
def test_nothing_is_written_elsewhere(how: str, tmp_path: Path) -> None:
    inside = how.format("mine")
    assert run_program(inside).passed
    assert run_program(how.format(str(tmp_path / "new"))).told == "PermissionError"
    assert not (tmp_path / "new").exists()


def test_what_is_there_is_not_changed_removed_or_read(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("mine")
    for text in (
        f"open({str(kept)!r}, 'a').write('x')",
        f"import os; os.remove({str(kept)!r})",
        f"import os; os.rename({str(kept)!r}, 'taken')",
        f"open({str(kept)!r}).read()",
        f"import os; os.symlink({str(kept)!r}, 'link'); open('link', 'w')",
        f"import os; os.truncate({str(kept)!r}, 0)",
    ):
        assert run_program(text).told in ("PermissionError", "OSError"), text
    assert kept.read_text() == "mine"


def test_no_network() -> None:
    heard = []

    class Ear(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)

    with http.server.HTTPServer(("127.0.0.1", 0), Ear) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        text = f"import urllib.request as u\nu.urlopen('http://127.0.0.1:{port}/x', timeout=3)"
        assert not run_program(text).passed
        server.shutdown()
    assert heard == []


def test_variables_are_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "secret")
    assert run_program("import os; assert 'MY_API_KEY' not in os.environ").passed


def test_this_process_is_not_killed() -> None:
    text = f"import os, signal\nos.kill({os.getpid()}, signal.SIGKILL)"
    assert not run_program(text).passed
    assert not run_program("import os, signal\nos.kill(os.getppid(), 9)\nos.kill(-1, 9)").passed


def test_nothing_stays_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run.tempfile, "tempdir", str(tmp_path))
    assert run_program("import os\nos.makedirs('a/b')\nopen('a/b/c', 'w')").passed
    assert list(tmp_path.iterdir()) == []


def test_where_a_harmless_program_fails_nothing_is_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    run._require_working.cache_clear()
    monkeypatch.setattr(run, "USUAL", "import nothing_of_this_name")
    with pytest.raises(StageFailed, match=r"a harmless one ended with ModuleNotFoundError$"):
        run_program("pass")
    run._require_working.cache_clear()


@pytest.mark.parametrize("lacking", ["only_files_in", "no_processes"])
def test_without_a_fence_nothing_runs(
    lacking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, head = run.CONFINE.read_text(), f"def {lacking}("
    assert head in text
    place = tmp_path / "confine.py"
    place.write_text(text.replace(head, f"{lacking} = lambda *folder: False\n\n\ndef _{lacking}("))
    monkeypatch.setattr(run, "CONFINE", place)
    run._require_working.cache_clear()
    with pytest.raises(StageFailed, match=r"a harmless one ended with no (Landlock|filter) ?.*"):
        run_program("pass")
    run._require_working.cache_clear()


DOC = {
    "header": 'from math import pi\n\n\ndef area(r: float) -> float:\n    """pi r^2"""\n',
    "entry_point": "area",
    "test": "def check(candidate):\n    assert abs(candidate(2) - 12.566) < 1e-3\n",
}
ANSWERS = {
    "    return pi * r * r\n": 1.0,
    "    return pi * r * r\n\n\ndef other(:\n": 1.0,  # what follows a completion does not count
    "    return pi * r\n": 0.0,
    "def area(r):\n    return pi * r * r": 1.0,  # imports of the header hold
    "Sure:\n```python\ndef area(r):\n    return pi * r**2\n```\nThat is it.": 1.0,
    "```\nfrom math import tau\ndef area(r):\n    return tau * r * r / 2": 1.0,  # cut at its cap
    "def areas(r):\n    return 1": 0.0,
    "": 0.0,
    "    exit(0)\n": 0.0,
    "\x00\ud800": 0.0,
}


@pytest.mark.parametrize("prediction", ANSWERS)
def test_a_function_by_its_tests(prediction: str) -> None:
    assert python_tests(DOC, prediction) == {"pass_at_1": ANSWERS[prediction]}


def test_the_program_is_header_function_and_tests() -> None:
    assert whole_program(DOC, "    return 1\n\n# next") == (
        f"{DOC['header']}    return 1\n\n\n{DOC['test']}\n\ncheck(area)\n"
    )


def test_an_empty_answer_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "run_program", None)
    assert python_tests(DOC, " \n") == {"pass_at_1": 0.0}
