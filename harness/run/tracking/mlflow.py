"""MLflow: at the server that MLFLOW_TRACKING_URI names, else in a file beside the results. Its
variables say who it is (MLFLOW_TRACKING_USERNAME and so on)."""

import logging
import os
import re
import time
from collections.abc import Mapping

from harness.run.tracking.base import TrackedRun

_TAG = "harness.run"
_FORBIDDEN = re.compile(r"[^\w\-. :/]")  # in names of metrics
_LONGEST, _BATCH = 500, 100  # characters of a parameter, parameters of a request


class MLflow:
    """A run that goes on is found by its tag."""

    def start(self, run: TrackedRun) -> None:
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        if not uri:
            run.folder.mkdir(parents=True, exist_ok=True)
            uri = f"sqlite:///{run.folder.absolute() / 'mlflow.db'}"
        self._client = MlflowClient(tracking_uri=uri)
        self._run = self._found(run)

    def _found(self, run: TrackedRun) -> str:
        """The id of the run, which is made where there is none."""
        from mlflow.entities import Param

        client, name = self._client, run.project("MLFLOW_EXPERIMENT_NAME")
        known = client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else client.create_experiment(name)
        found = client.search_runs([experiment], f"tags.`{_TAG}` = '{run.key}'", max_results=1)
        if found:
            client.update_run(found[0].info.run_id, status="RUNNING")
            return found[0].info.run_id
        tags = {_TAG: run.key, "harness.experiment": run.group}
        made = client.create_run(experiment, run_name=run.name, tags=tags).info.run_id
        params = [Param(key, str(value)[:_LONGEST]) for key, value in run.config.items()]
        for start in range(0, len(params), _BATCH):
            client.log_batch(made, params=params[start : start + _BATCH])
        return made

    def log(self, series: str, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        names = {_FORBIDDEN.sub("_", f"{series}/{name}"): value for name, value in values.items()}
        metrics = [Metric(name, value, now, step) for name, value in names.items()]
        self._client.log_batch(self._run, metrics=metrics)

    def close(self) -> None:
        self._client.set_terminated(self._run)
