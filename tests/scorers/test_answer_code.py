"""Which part of an answer is run: answers as models write them, each with what must come of it."""

import pytest
from support.fence import require_fence

from harness.scorers.answer_code import blocks
from harness.scorers.programs import python_tests, whole_program

DOC = {
    "header": 'import math\n\ndef f(x):\n    """Add one."""\n',
    "test": "def check(c):\n    assert c(1) == 2\n",
    "entry_point": "f",
}
RIGHT = {
    "another block before": "Use:\n```bash\npip install x\n```\n```python\ndef f(x):\n"
    "    return x + 1\n```",
    "an example before": "```python\nf(1)\n```\nThen:\n```python\ndef f(x):\n    return x + 1\n```",
    "python3": "```python3\ndef f(x):\n    return x + 1\n```\n",
    "braces": "```{.python}\ndef f(x):\n    return x + 1\n```\n",
    "CRLF": "```python\r\ndef f(x):\r\n    return x + 1\r\n```\r\n",
    "CRLF, a body": "    return x + 1\r\n\r\nprint(f(2))\r\n",
    "indented fences": "1. So:\n   ```python\n   def f(x):\n       return x + 1\n   ```\n",
    "tildes, fences within": '~~~python\ndef f(x):\n    """\n```\n"""\n    return x + 1\n~~~',
    "prose behind": "def f(x):\n    return x + 1\n\nThis function adds one, doesn't it?\n",
    "prose before": "Here is what you want:\n\ndef f(x):\n    return x + 1\n",
    "fence behind": "def f(x):\n    return x + 1\n```\nThat is it.",
    "a body, a fence and prose": "    return x + 1\n```\nThat is it.",
    "a body in a block": "```python\n    return x + 1\n```",
    "calls behind": "def f(x):\n    return x + 1\nprint(input())\n",
    "main": 'def f(x):\n    return x + 1\n\nif __name__ == "__main__":\n    f(int(input()))\n',
    "main in a block": "```python\ndef f(x):\n    return x + 1\n\nif __name__ == '__main__':\n"
    "    raise SystemExit(f(2))\n```",
    "helpers on both sides": "from math import floor\nimport sys\nsys.setrecursionlimit(9999)\n"
    "ONE: int = 1\n\n@staticmethod\ndef g(x):\n    return x\n\ndef f(\n    x,\n):\n"
    "    return floor(g(x)) + h()\n\n# help\ndef h():\n    return ONE\n\nThat is all.",
    "a margin in a string": 'def f(x):\n    """Adds.\n\nAll of it.\n"""\n    return x + 1\n\nSo.',
    "a separator in a string": 'def f(x):\n    return x + len("\u2028")\n\nSo.',
}
WRONG = {
    "another function": "```python\ndef g(x):\n    return x + 1\n```",
    "prose alone": "You add one to x.",
    "a wrong block first": "```python\ndef f(x):\n    return x\n```\n```python\ndef f(x):\n"
    "    return x + 1\n```",
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_programs_pass(name: str) -> None:
    require_fence()
    assert python_tests(DOC, RIGHT[name]) == {"pass_at_1": 1.0}, whole_program(DOC, RIGHT[name])


@pytest.mark.parametrize("name", WRONG)
def test_wrong_answers_do_not(name: str) -> None:
    require_fence()
    assert python_tests(DOC, WRONG[name]) == {"pass_at_1": 0.0}


def test_blocks_line_by_line() -> None:
    text = "a ```x``` b\n```one```\n````md\n```py\nx\n```\n````\n```Python title=a\ny\n\n  z"
    assert list(blocks(text)) == [("md", "```py\nx\n```"), ("python", "y\n\n  z")]


@pytest.mark.parametrize("piece", [" ", "`", "```\n", '"""', "a.", "for x in ", "x, ", "\n", "x: "])
def test_long_answers_take_no_time_that_grows_faster(piece: str) -> None:
    """Nothing here is quadratic in steps that would keep a rank for minutes (a hang, if it is)."""
    whole_program(DOC, "def f(x):\n" + piece * 20_000 + "`\n")
