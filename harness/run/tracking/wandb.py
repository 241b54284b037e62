"""Weights & Biases. The key, the mode and the address are those of its variables (WANDB_API_KEY,
WANDB_MODE, WANDB_BASE_URL, WANDB_PROJECT)."""

import os
from collections.abc import Mapping

from harness.run.tracking.base import TrackedRun


class WeightsAndBiases:
    """Every series has an axis of its own, `<series>/step`."""

    def start(self, run: TrackedRun) -> None:
        os.environ.setdefault("WANDB_SILENT", "true")  # before it is imported
        import wandb

        (run.folder / "wandb").mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(
            silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True
        )
        self._run = wandb.init(
            project=run.project("WANDB_PROJECT"),
            id=run.key,
            name=run.name,
            group=run.group,
            config=dict(run.config),
            dir=str(run.folder),
            resume="allow",
            settings=settings,
        )
        self._known: set[str] = set()

    def log(self, series: str, step: int, values: Mapping[str, float]) -> None:
        axis = f"{series}/step"
        if series not in self._known:
            self._known.add(series)
            self._run.define_metric(axis)
            self._run.define_metric(f"{series}/*", step_metric=axis)
        self._run.log({axis: step} | {f"{series}/{name}": v for name, v in values.items()})

    def close(self) -> None:
        self._run.finish()
