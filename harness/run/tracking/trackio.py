"""Trackio: a project on this machine, beside the results, or where its variables say (TRACKIO_DIR,
TRACKIO_SPACE_ID, TRACKIO_SERVER_URL)."""

import os
from collections.abc import Mapping

from harness.run.tracking.base import TrackedRun


class Trackio:
    """Its axis is one for all series: steps are told as values as well, `<series>/step`."""

    def start(self, run: TrackedRun) -> None:
        os.environ.setdefault("TRACKIO_DIR", str((run.folder / "trackio").absolute()))
        import trackio
        import trackio.run
        import trackio.utils

        # It talks on stdout, where tables go, and cannot be told not to. Another stdout would be
        # one for the thread that prints them as well.
        for module in (trackio, trackio.run, trackio.utils):
            module.print = _silent
        self._run = trackio.init(
            project=run.project("TRACKIO_PROJECT"),
            name=f"{run.name} {run.key[:8]}",
            group=run.group,
            config=dict(run.config),
            resume="allow",
            embed=False,
            auto_log_cpu=False,
            auto_log_gpu=False,
        )

    def log(self, series: str, step: int, values: Mapping[str, float]) -> None:
        told = {f"{series}/{name}": value for name, value in values.items()}
        self._run.log({f"{series}/step": step} | told)

    def close(self) -> None:
        self._run.finish()


def _silent(*said: object, **how: object) -> None:
    """Prints nothing."""
