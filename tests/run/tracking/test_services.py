"""Each tracker's own reader finds what its adapter wrote: nothing here stands in for a package."""

import json
import socket
import sqlite3
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.run.tracking.base import Service, TrackedRun

CONFIG = {"method.name": "ewc", "seed": 3, "train.learning_rate": 1e-3, "long": "x" * 900}
SERIES = "train/01-C-STANCE"
TOLD = [
    (SERIES, 1, {"loss": 2.5, "EWC.penalty": 0.25}),
    (SERIES, 2, {"loss": 1.5}),
    ("score", 1, {"target/C-STANCE": 0.75}),
    ("train/02-FOMC", 1, {"loss": 3.5}),
]


def run_in(folder: Path) -> TrackedRun:
    return TrackedRun("fedcba9876543210", "ewc seed=3 on trace", "main", CONFIG, folder)


def tell(service: Service, run: TrackedRun, told: list = TOLD) -> None:
    service.start(run)
    for one in told:
        service.log(*one)
    service.close()


def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from harness.run.tracking.tensorboard import TensorBoard

    tell(TensorBoard(), run_in(tmp_path))
    (folder,) = (tmp_path / "tensorboard").iterdir()
    assert folder.name == "ewc_seed=3_on_trace-fedcba98"
    found = EventAccumulator(str(folder))
    found.Reload()
    assert found.Tags()["scalars"] == [
        f"{SERIES}/loss",
        f"{SERIES}/EWC.penalty",
        "score/target/C-STANCE",
        "train/02-FOMC/loss",
    ]
    assert [(one.step, one.value) for one in found.Scalars(f"{SERIES}/loss")] == [
        (1, 2.5),
        (2, 1.5),
    ]
    assert [(one.step, one.value) for one in found.Scalars("score/target/C-STANCE")] == [(1, 0.75)]


def records_of(log: bytes) -> Iterator[bytes]:
    """The records of a log in LevelDB's format: behind a head of 7 bytes blocks of 32 KiB, in them
    pieces of records behind their checksum, length and kind (whole, first, middle, last)."""
    place, record = 7, b""
    while place + 7 <= len(log):
        if 2**15 - place % 2**15 < 7:
            place += 2**15 - place % 2**15
            continue
        _, length, kind = struct.unpack("<IHB", log[place : place + 7])
        record += log[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            yield record
            record = b""


def test_wandb_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    from harness.run.tracking.wandb import WeightsAndBiases

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    tell(WeightsAndBiases(), run_in(tmp_path))
    (path,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    records = [Record.FromString(data) for data in records_of(path.read_bytes())]
    for _ in range(100):  # what writes it is a process of its own
        if any(record.HasField("exit") for record in records):
            break
        time.sleep(0.2)
        records = [Record.FromString(data) for data in records_of(path.read_bytes())]
    (name,) = (record.run.display_name for record in records if record.HasField("run"))
    rows = [
        {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
        for items in (record.history.item for record in records if record.HasField("history"))
    ]
    assert name == "ewc seed=3 on trace"
    mine = [{k: v for k, v in row.items() if not k.startswith("_")} for row in rows]
    assert mine == [
        {f"{series}/step": step} | {f"{series}/{name}": value for name, value in told.items()}
        for series, step, told in TOLD
    ]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A real MLflow server on this machine."""
    pytest.importorskip("mlflow")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path
    )
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/health").close()
                break
            except OSError:
                assert process.poll() is None
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


@pytest.mark.slow
def test_mlflow_server(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that goes on is the same one; what it was made with stays."""
    from mlflow.tracking import MlflowClient

    from harness.run.tracking.mlflow import MLflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    tell(MLflow(), run_in(tmp_path))
    tell(MLflow(), run_in(tmp_path), [(SERIES, 3, {"loss": 0.5})])
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("trace-harness")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "ewc seed=3 on trace"
    assert run.info.status == "FINISHED"
    assert run.data.params["method.name"] == "ewc"
    assert run.data.params["long"] == "x" * 500
    history = client.get_metric_history(run.info.run_id, f"{SERIES}/loss")
    assert sorted((one.step, one.value) for one in history) == [(1, 2.5), (2, 1.5), (3, 0.5)]
    assert run.data.metrics["score/target/C-STANCE"] == 0.75


def test_mlflow_without_a_server_keeps_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    from harness.run.tracking.mlflow import MLflow

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    tell(MLflow(), run_in(tmp_path))
    with sqlite3.connect(tmp_path / "mlflow.db") as base:
        found = base.execute("select key, step, value from metrics order by key, step").fetchall()
    assert (f"{SERIES}/loss", 2, 1.5) in found
    assert len(found) == 5


def test_trackio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its place is read when it is imported, so that it gets a process of its own."""
    pytest.importorskip("trackio")
    words = (
        "import sys\nfrom pathlib import Path\n"
        "sys.path[:0] = [str(Path(sys.argv[1]).parent)]\n"
        "from test_services import TOLD, run_in, tell\n"
        "from harness.run.tracking.trackio import Trackio\n"
        "tell(Trackio(), run_in(Path(sys.argv[2])))\n"
    )
    monkeypatch.delenv("TRACKIO_DIR", raising=False)
    done = subprocess.run(
        [sys.executable, "-c", words, __file__, str(tmp_path)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    with sqlite3.connect(tmp_path / "trackio" / "trace-harness.db") as base:
        rows = base.execute("select run_name, metrics from metrics order by id").fetchall()
    assert {name for name, _ in rows} == {"ewc seed=3 on trace fedcba98"}
    assert [json.loads(values) for _, values in rows] == [
        {f"{series}/step": step} | {f"{series}/{name}": value for name, value in told.items()}
        for series, step, told in TOLD
    ]
