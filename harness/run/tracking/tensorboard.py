"""TensorBoard: event files in a folder per run, written without TensorFlow and torch."""

import time
from collections.abc import Mapping

from harness.run.tracking.base import TrackedRun


class TensorBoard:
    """A scalar per value, by its series and name."""

    def start(self, run: TrackedRun) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        folder = run.folder / "tensorboard" / f"{run.name.replace(' ', '_')}-{run.key[:8]}"
        self._writer = EventFileWriter(str(folder), flush_secs=10)

    def log(self, series: str, step: int, values: Mapping[str, float]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        told = [Summary.Value(tag=f"{series}/{n}", simple_value=v) for n, v in values.items()]
        event = Event(wall_time=time.time(), step=step, summary=Summary(value=told))
        self._writer.add_event(event)

    def close(self) -> None:
        self._writer.close()
