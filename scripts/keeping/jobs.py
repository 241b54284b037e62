"""The jobs of a study: methods in its tables, each with a seed."""

from dataclasses import dataclass

from harness.results.columns import TableRow


@dataclass(frozen=True)
class Job:
    """A method in the tables, its seed, and what it is beside the experiment's settings."""

    method: str
    seed: int = 0
    words: tuple[str, ...] = ()

    def overrides(self) -> list[str]:
        """What it is run with."""
        stack = self.method.replace("+", ",")
        return [f"method=[{stack}]" if "+" in self.method else f"method={stack}", *self.words]

    def is_of(self, row: TableRow, experiment: str) -> bool:
        """Is it a row of this job's in the experiment?"""
        found = (row["experiment"], row["method"], row["seed"])
        return found == (experiment, self.method, self.seed)
