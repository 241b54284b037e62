"""SFA (arXiv 2501.05559): theta <- (1 - beta) theta + beta anchor every p T steps and at the
end."""

from dataclasses import dataclass

from plain import STEPS, Reference, Run


@dataclass
class SFA(Reference):
    period: int
    beta: float
    initial: bool = False
    reset: bool = False
    anchor: dict | None = None

    def before_task(self, run: Run) -> None:
        if self.anchor is None or not self.initial:
            self.anchor = run.copy()

    def after_step(self, run: Run, step: int) -> None:
        if (step + 1) % self.period == 0 or step + 1 == STEPS:
            for name, p in run.params.items():
                p.copy_((1 - self.beta) * p + self.beta * self.anchor[name])
            if self.reset:
                run.optimizer.state.clear()
