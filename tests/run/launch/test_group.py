"""Groups of ranks: here, under a launcher, over ssh; who is told to have failed."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.config import EngineConfig
from harness.config.launched import Launched
from harness.errors import ConfigError, StageFailed, Terminated
from harness.run.events import Event
from harness.run.launch import crew as crews
from harness.run.launch import group as groups
from harness.run.launch.agent import serve
from harness.run.launch.crew import Crew, crew_for, joined
from harness.run.launch.failure import Failure, Fault
from harness.run.launch.group import WorkerGroup, follow_to_end
from harness.run.launch.job import RankJob, Seat

Pair = tuple[Launched, Launched]
TELL = """
for name in RANK LOCAL_RANK WORLD_SIZE OMP_NUM_THREADS HARNESS_LISTENER GLOO_SOCKET_IFNAME; do
  echo "$name=${!name}"
done > told.$RANK
"""


def here(world: int) -> Crew:
    return Crew([Seat(rank, rank) for rank in range(world)])


def run(job: RankJob, crew: Crew, **variables: str) -> Failure | None:
    with WorkerGroup(job, crew, variables) as group:
        found = follow_to_end([group], lambda event: None)
    return found[1] if found else None


def told(job: RankJob, rank: int) -> dict[str, str]:
    lines = (Path(job.folder) / f"told.{rank}").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


@contextmanager
def launcher(pair: Pair) -> Iterator[tuple[Crew, list[Any]]]:
    """The crew of a launcher's two processes, of which the second is a thread; and what came of
    that one."""
    outcome: list[Any] = []

    def second() -> None:
        try:
            outcome.append(serve(pair[1], 20.0))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=second)
    thread.start()
    with joined(pair[0], 20.0), crew_for(EngineConfig()) as crew:
        yield crew, outcome
    thread.join(20.0)


def test_ranks_of_this_machine(ranks_are: Callable[[str], None], job: RankJob) -> None:
    ranks_are(TELL)
    assert run(job, here(2)) is None
    for rank in range(2):
        assert told(job, rank) == {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "OMP_NUM_THREADS": "3",
            "HARNESS_LISTENER": "", "GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", ""),
        }  # fmt: skip


def test_what_a_gpu_job_is_given(ranks_are: Callable[[str], None], job: RankJob) -> None:
    ranks_are("echo $PYTORCH_CUDA_ALLOC_CONF $CUDA_VISIBLE_DEVICES > told.$RANK")
    job = replace(job, device="cuda")
    assert run(job, here(1), CUDA_VISIBLE_DEVICES="5") is None
    assert (Path(job.folder) / "told.0").read_text() == "expandable_segments:True 5\n"


@pytest.mark.parametrize(
    ("device", "deterministic", "given", "told"),
    [
        ("cuda", True, "", ":4096:8 1"),
        ("cuda", True, ":16:8", ":16:8 1"),  # a user's own word stands
        ("cuda", False, "", ""),
        ("cpu", True, "", ""),
    ],
)
def test_kernels_are_told_before_they_start(
    device: str,
    deterministic: bool,
    given: str,
    told: str,
    ranks_are: Callable[[str], None],
    job: RankJob,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FLASH_ATTENTION_DETERMINISTIC", raising=False)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    if given:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", given)
    ranks_are("echo $CUBLAS_WORKSPACE_CONFIG $FLASH_ATTENTION_DETERMINISTIC > told.$RANK")
    assert run(replace(job, device=device, deterministic=deterministic), here(1)) is None
    assert (Path(job.folder) / "told.0").read_text() == f"{told}\n"


def test_the_processes_of_a_launcher(
    ranks_are: Callable[[str], None], job: RankJob, two_processes: Pair
) -> None:
    ranks_are(f"{TELL}\ngrep -o 'tcp://[^\"]*' job.json > met.$RANK")
    with launcher(two_processes) as (crew, outcome):
        for _ in range(2):  # group after group
            assert run(job, crew) is None
        first, second = told(job, 0), told(job, 1)
    assert outcome == [0]
    assert (first["RANK"], first["LOCAL_RANK"], first["WORLD_SIZE"]) == ("0", "0", "2")
    assert (second["RANK"], second["LOCAL_RANK"], second["WORLD_SIZE"]) == ("1", "1", "2")
    assert first["HARNESS_LISTENER"].isdigit()
    assert second["HARNESS_LISTENER"] == ""
    assert first["GLOO_SOCKET_IFNAME"] == second["GLOO_SOCKET_IFNAME"] == "lo"
    assert (Path(job.folder) / "met.1").read_text().startswith("tcp://127.0.0.1:")


def test_the_rank_that_raised_is_named_and_the_other_ended(
    ranks_are: Callable[[str], None], job: RankJob, two_processes: Pair
) -> None:
    ranks_are('[ $RANK = 0 ] && exec sleep 600; echo "ValueError: unwell"; exit 3')
    with launcher(two_processes) as (crew, _):
        failure = run(job, crew)
    assert failure is not None
    assert (failure.rank, failure.line) == (1, "ValueError: unwell")


def test_who_misses_a_peer_is_not_the_cause(ranks_are: Callable[[str], None], job: RankJob) -> None:
    ranks_are(
        "[ $RANK = 0 ] && echo 'RuntimeError: [gloo/transport/tcp] Connection closed by peer'\n"
        "[ $RANK = 0 ] || { sleep 0.5; echo 'StageFailed: the loss is nan'; }; exit 1"
    )
    failure = run(job, here(2))
    assert failure is not None
    assert (failure.rank, failure.line) == (1, "StageFailed: the loss is nan")
    assert failure.kind is Fault.error


def test_who_misses_a_peer_of_which_nobody_knows_has_lost_it(
    ranks_are: Callable[[str], None], job: RankJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "HEARING_SECONDS", 0.2)
    ranks_are("[ $RANK = 0 ] && exec sleep 600; echo 'RuntimeError: Connection reset'; exit 1")
    failure = run(job, here(2))
    assert failure is not None
    assert (failure.rank, failure.kind) == (1, Fault.lost)


def test_what_an_agent_s_rank_says_of_its_failure_is_heard(
    ranks_are: Callable[[str], None], job: RankJob, two_processes: Pair
) -> None:
    told = '{"rank": 1, "line": "no", "kind": "diverged", "step": 7, "loss": NaN}'
    ranks_are(f"[ $RANK = 0 ] && exec sleep 600; echo '{told}' > failure.1.json; exit 1")
    with launcher(two_processes) as (crew, _):
        failure = run(job, crew)
    assert failure is not None
    assert (failure.kind, failure.step, str(failure.loss)) == (Fault.diverged, 7, "nan")


def test_ranks_that_show_no_life_have_hung(ranks_are: Callable[[str], None], job: RankJob) -> None:
    """Both were alive, then none gets further; they are ended though they hear no SIGTERM."""
    ranks_are("trap '' TERM; for i in 1 2 3; do echo $i > pulse.$RANK; sleep 0.2; done; sleep 600")
    with WorkerGroup(job, here(2), {}, 0.02) as group:
        found = follow_to_end([group], lambda event: None)
        assert found is not None
        assert found[1].kind is Fault.hung
        assert found[1].line.endswith(" seconds (engine.timeout_minutes)")
    assert None not in group.local.codes().values()


def test_one_rank_that_shows_life_speaks_for_all(
    ranks_are: Callable[[str], None], job: RankJob
) -> None:
    ranks_are(
        "[ $RANK = 0 ] || sleep 5; for i in $(seq 20); do echo $i > pulse.$RANK; sleep 0.25; done"
    )
    with WorkerGroup(job, here(2), {}, 0.05) as group:
        assert follow_to_end([group], lambda event: None) is None


def test_a_killed_rank_is_told_as_such(ranks_are: Callable[[str], None], job: RankJob) -> None:
    ranks_are("[ $RANK = 0 ] && exec sleep 600; kill -9 $$")
    failure = run(job, here(2))
    assert failure is not None
    assert failure.line == "rank 1 was ended by SIGKILL; was there memory enough?"
    assert failure.kind is Fault.lost


def test_ranks_of_a_process_that_has_to_go_may_keep_what_they_train(
    ranks_are: Callable[[str], None], job: RankJob, two_processes: Pair
) -> None:
    """Those of this machine and of an agent; the signal that ends them comes behind."""
    ranks_are(
        "trap 'echo $RANK > kept.$RANK; exit 1' USR1; touch up.$RANK\n"
        "until [ -f up.0 ] && [ -f up.1 ]; do sleep 0.05; done\n"
        """[ $RANK = 1 ] || echo '{"key": "k", "done": 0.5}' > events.0.jsonl\n"""
        "while true; do sleep 0.05; done"
    )

    def end(event: Event) -> None:
        raise Terminated(signal.SIGTERM)

    with (
        launcher(two_processes) as (crew, _),
        pytest.raises(Terminated),
        WorkerGroup(job, crew, {}) as group,
    ):
        follow_to_end([group], end)
    assert [path.read_text() for path in sorted(Path(job.folder).glob("kept.*"))] == ["0\n", "1\n"]


def test_a_process_that_is_gone_ends_the_group(
    ranks_are: Callable[[str], None], job: RankJob, two_processes: Pair
) -> None:
    ranks_are("exec sleep 600")
    with launcher(two_processes) as (crew, outcome):
        cut = threading.Timer(1.0, crew.members[0].line.owner.shutdown, [socket.SHUT_RDWR])
        cut.start()
        failure = run(job, crew)
        assert failure is not None
        assert failure.line.startswith("rank 1: its process on ")
        with pytest.raises(StageFailed, match="start all of them again"):
            run(job, crew)
    assert "rank 0, at 127.0.0.1, is gone" in str(outcome[0])


def test_nobody_answers(two_processes: Pair) -> None:
    with pytest.raises(
        ConfigError, match=r"MASTER_ADDR=127.0.0.1: nobody answers at port \d+"
    ) as e:
        serve(two_processes[1], 0.3)
    assert "\n" not in str(e.value)


def test_a_name_that_leads_nowhere() -> None:
    with pytest.raises(ConfigError, match=r"MASTER_ADDR=no\.such\.host\.invalid: nobody answers"):
        serve(Launched(1, 2, 0, 1, "no.such.host.invalid", 29500), 0.3)


def test_a_process_that_does_not_come(two_processes: Pair) -> None:
    with pytest.raises(ConfigError, match="RANK 1 did not come"), joined(two_processes[0], 0.3):
        pass


def test_strangers_are_turned_away(two_processes: Pair) -> None:
    """Whoever else finds the port, before the ranks do."""

    def knock() -> None:
        with socket.create_connection(("127.0.0.1", two_processes[0].port), 20.0) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            stranger.recv(1)

    def come() -> None:
        for _ in range(200):  # until the port is open
            with suppress(ConnectionRefusedError):
                knock()
                break
            time.sleep(0.05)
        serve(two_processes[1], 20.0)

    thread = threading.Thread(target=come)
    thread.start()
    with joined(two_processes[0], 20.0), crew_for(EngineConfig()) as crew:
        assert crew.world == 2
    thread.join(20.0)


def test_another_version_is_refused(two_processes: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    thread = threading.Thread(target=serve_quietly, args=(two_processes[1],))
    monkeypatch.setattr(crews, "__version__", "0.0")
    thread.start()
    with (
        pytest.raises(ConfigError, match=r"of the harness, here is 0\.0"),
        joined(two_processes[0], 20.0),
    ):
        pass
    thread.join(20.0)


def serve_quietly(peers: Launched) -> None:
    with suppress(StageFailed):
        serve(peers, 20.0)


def test_a_port_that_is_taken(two_processes: Pair) -> None:
    with (
        socket.create_server(("", two_processes[0].port)),
        pytest.raises(ConfigError, match="set another MASTER_PORT"),
        joined(two_processes[0], 0.3),
    ):
        pass


def test_two_kinds_of_launchers(two_processes: Pair) -> None:
    with pytest.raises(ConfigError, match="a launcher of Hydra's"), crew_for(EngineConfig()):
        pass


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ssh that reaches this machine under other names, a dead host and one that says nothing."""
    script = tmp_path / "bin" / "ssh"
    script.parent.mkdir()
    script.write_text(
        "#!/bin/bash\nwhile [[ $1 == -* ]]; do shift 2; done\nhost=$1; shift\ncase $host in\n"
        "dead) echo 'ssh: connect to host dead port 22: No route to host' >&2; exit 255;;\n"
        "mute) sleep 600 & echo $! > ${0%/*}/child; wait;;\nesac\n"
        'cd /; export SSH_CONNECTION="127.0.0.1 5000 127.0.0.2 22"; exec bash -c "$*"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")


def hosts(tmp_path: Path, text: str) -> EngineConfig:
    (tmp_path / "hosts").write_text(text)
    return EngineConfig(hostfile=str(tmp_path / "hosts"))


@pytest.mark.distributed
def test_hosts_over_ssh(
    ssh: None, ranks_are: Callable[[str], None], job: RankJob, tmp_path: Path
) -> None:
    engine = hosts(tmp_path, "127.0.0.2 slots=2\nlocalhost slots=1\n")
    with crew_for(engine) as crew:
        assert (crew.world, crew.address) == (3, "127.0.0.1")
        # The agent runs by now, with this interpreter; so do its ranks, whose job is none.
        ranks_are("exec sleep 600")
        failure = run(replace(job, config={"engine": None}), crew)
    assert failure is not None
    assert failure.rank in (1, 2)
    assert "Error" in failure.line


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("dead", "dead cannot be used: ssh: connect to host dead port 22: No route to host"),
        ("mute", "mute did not answer within 1 seconds"),
    ],
)
def test_a_host_out_of_reach_is_named(
    host: str, said: str, ssh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crews, "GATHER_SECONDS", 1.0)
    engine = hosts(tmp_path, f"localhost slots=1\n{host} slots=1\n")
    with pytest.raises(ConfigError) as caught, crew_for(engine):
        pass
    assert str(caught.value) == f"engine.hostfile={engine.hostfile}: {said}"
    for child in tmp_path.glob("bin/child"):  # what ssh itself has started, a ProxyCommand say
        assert _ends(int(child.read_text()))


def _ends(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    for _ in range(200):
        with suppress(FileNotFoundError, ProcessLookupError):
            if stat.read_text().rpartition(")")[2].split()[0] not in "ZX":
                time.sleep(0.05)
                continue
        return True
    os.kill(pid, signal.SIGKILL)
    return False
