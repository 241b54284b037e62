"""What a campaign remembers in files, so that one that is killed goes on."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness.store.files import write_json
from soaking.blows import Happened
from soaking.effort import Effort

_HAPPENED, _RESULT = "happened.jsonl", "result.json"


@dataclass
class Result:
    """What came of a ZeRO stage. rounds: sweeps that were disturbed and ended complete; files: that
    were compared with the undisturbed one; commands: started for it; different: from the
    undisturbed one; complaints: what should not have been; skipped: what this system does not
    allow; done: has all happened that should?"""

    zero: int
    rounds: int = 0
    files: int = 0
    commands: int = 0
    seconds: float = 0.0
    effort: Effort = field(default_factory=Effort)
    different: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    done: bool = False


class Record:
    """The files of a campaign in its folder."""

    def __init__(self, folder: Path, zero: int) -> None:
        self._happened, self._result = folder / _HAPPENED, folder / _RESULT
        folder.mkdir(parents=True, exist_ok=True)
        self.happened: list[Happened] = []
        self.result = Result(zero)
        if self._happened.is_file():
            lines = self._happened.read_text().splitlines()
            self.happened = [Happened.of_json(json.loads(line)) for line in lines]
        if self._result.is_file():
            told = json.loads(self._result.read_text())
            self.result = Result(**{**told, "effort": Effort(**told["effort"])})

    def add(self, happened: Happened) -> None:
        """Something happened."""
        self.happened.append(happened)
        with self._happened.open("a") as stream:
            stream.write(json.dumps(happened.to_json()) + "\n")

    def save(self) -> None:
        """Keep the result as it is now."""
        write_json(self._result, asdict(self.result))
