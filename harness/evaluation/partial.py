"""What there is of a benchmark that is being answered: its requests, a file per answered chunk."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

from harness.config.plain import plain
from harness.evaluation.evaluator import Answers
from harness.generation.backend import Likelihood
from harness.generation.requests import Requests
from harness.store.files import write_atomically, write_json

ABOUT = "about.json"
_ANSWERS = re.compile(r"answers-(\d+)\.json")


class Partial:
    """The folder of one benchmark's answers, which several processes may fill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, requests: Requests, about: dict[str, Any]) -> None:
        """Go on with what is there if it answers these very requests, cut into the same chunks, and
        was made under the same circumstances; else start anew."""
        if self._goes_on(requests, about):
            return
        self.remove()
        requests.save(self.folder)
        write_json(self.folder / ABOUT, about)

    def _goes_on(self, requests: Requests, about: dict[str, Any]) -> bool:
        try:
            told = json.loads((self.folder / ABOUT).read_text(encoding="utf-8"))
            return told == about and Requests.load(self.folder).same(requests)
        except (OSError, ValueError, LookupError, TypeError):
            return False  # there is nothing, or it is damaged

    def requests(self) -> Requests:
        """The requests, as another process wrote them."""
        return Requests.load(self.folder)

    def answered(self) -> set[int]:
        """Numbers of the chunks whose answers are there."""
        names = (_ANSWERS.fullmatch(path.name) for path in self.folder.iterdir())
        return {int(name[1]) for name in names if name}

    def write(self, number: int, answers: Answers) -> None:
        """Keep the answers to a chunk."""
        write_atomically(self._file(number), json.dumps(plain(answers)))

    def read(self, number: int) -> Answers:
        """The answers to a chunk, as they were given: token ids or likelihoods."""
        told = json.loads(self._file(number).read_text(encoding="utf-8"))
        given = [_answer(one) for one in told["given"]]
        smaller = told.get("smaller", told["halved"] > 0)  # not told by earlier versions
        return Answers(given, told["seconds"], told["halved"], smaller)

    def remove(self) -> None:
        """The work is done, or starts anew."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, number: int) -> Path:
        return self.folder / f"answers-{number:05d}.json"


def _answer(told: list[Any]) -> list[int] | Likelihood:
    pair = len(told) == 2 and isinstance(told[1], bool)
    return Likelihood(*told) if pair else told
