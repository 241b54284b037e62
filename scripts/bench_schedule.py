"""How well ranks that score share their work: real ranks on this machine's CPU, a thread each, held
against the model of dealing (`harness/generation/dealing.py`).

`python scripts/bench_schedule.py [--ranks 2] [--rounds 3] [--out schedule.csv] [overrides]`

The last stage of a sequence is scored by one rank, whose chunks give the model its seconds, and
then by several. The model deals these seconds in the order of the estimated costs. Of the ratios of
what several ranks took to the model, `measured_by_model` needs a machine that does nothing else:
`processor` says which share of one the ranks had, alone and together. `measured_by_model_processor`
counts seconds by that share; `measured_by_own_pieces` deals what several ranks did themselves.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

OVERRIDES = (
    "sequence=micro8",
    "suite=[micro_general,micro_instruction,micro_safety,micro_likelihood]",
    "eval.batch_tokens=2048",
    "engine.device=cpu",
    "engine.threads=1",
)
WIDTHS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Piece:
    """What a rank did without a pause: a chunk, or preparing or scoring a benchmark. cost: of a
    chunk, as it is dealt; null of others. start and end: seconds on the machine's clock; processor:
    seconds that this process had of one."""

    cost: int | None
    start: float
    end: float
    processor: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True)
class Seen:
    """One launch: what every rank did, and the seconds from the first claim of any to the end."""

    ranks: list[list[Piece]]
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def pieces(self) -> list[Piece]:
        return [piece for rank in self.ranks for piece in rank]

    @property
    def share(self) -> float:
        """The share of a processor that ranks had while they worked; 1 = nobody disturbed them."""
        return sum(piece.processor for piece in self.pieces) / sum(p.seconds for p in self.pieces)

    def busy(self, rank: int) -> float:
        """The share of the time in which a rank works."""
        return sum(piece.seconds for piece in self.ranks[rank]) / self.seconds


def rank_main(path: str) -> None:
    """One rank as runs start them, with a watch on what it does."""
    from harness.evaluation.evaluator import Evaluator
    from harness.run import scoring
    from harness.run.rank import main

    for name in ("lm_eval.evaluator", "lm_eval.tasks", "nltk.translate.bleu_score"):
        import_module(name)  # once a process, whatever it scores
    pieces: list[Any] = []
    costs: list[int] = []
    answer = Evaluator.answer

    def answering(evaluator: Any, requests: Any, chunk: Any, *given: Any) -> Any:
        costs.append(chunk.cost)
        return answer(evaluator, requests, chunk, *given)

    Evaluator.answer = answering
    for name in ("_own", "_answer", "_finish"):
        setattr(scoring._Desk, name, _timed(getattr(scoring._Desk, name), costs, pieces))
    work = scoring._Desk.work

    def watched(desk: Any) -> None:
        start = time.monotonic()
        work(desk)
        told = {"pieces": pieces, "start": start, "end": time.monotonic()}
        Path(path).with_name(f"seen.{os.environ['RANK']}.json").write_text(json.dumps(told))

    scoring._Desk.work = watched
    main([path])


def _timed(call: Callable[..., bool], costs: list[int], pieces: list[Any]) -> Callable[..., bool]:
    """The call, which answers whether it found something to do; if so, that is a piece."""

    def timed(*given: Any) -> bool:
        before, start, used = len(costs), time.monotonic(), time.process_time()
        found = call(*given)
        if found:
            cost = sum(costs[before:]) if len(costs) > before else None
            pieces.append((cost, start, time.monotonic(), time.process_time() - used))
        return found

    return timed


def launch(overrides: list[str], ranks: int, place: Path) -> Seen:
    """Score the last stage with so many ranks, into a new store."""
    from harness.config.compose.compose import load
    from harness.config.plain import plain
    from harness.run.job import job_of
    from harness.run.launch.job import RankJob, job_file
    from harness.store.files import write_json
    from harness.store.work import EvalWork

    folder = place / "job"
    folder.mkdir(parents=True)
    roots = [f"store.root={place / 'store'}", f"store.results={place / 'results'}"]
    config = load([*overrides, *roots, f"engine.ranks={ranks}", "engine.oversubscribe=true"])
    made = job_of(config)
    # Row 0 has every task of the sequence and every suite, as the last stage has.
    works = [work.to_json() for work in made.plan.of(EvalWork) if work.stage == 0]
    with made.store.leases.taken() as token:
        root, meeting = str(made.store.root), str(folder / "rendezvous")
        job = RankJob(root, token, plain(config), works, "cpu", 1, str(folder), meeting)
        write_json(job_file(folder), plain(job))
        _run(job_file(folder), ranks)
    told = [json.loads((folder / f"seen.{rank}.json").read_text()) for rank in range(ranks)]
    return Seen(
        [[Piece(*piece) for piece in one["pieces"]] for one in told],
        min(one["start"] for one in told),
        max(one["end"] for one in told),
    )


def _run(job: Path, ranks: int) -> None:
    common = {"WORLD_SIZE": str(ranks), "HARNESS_PARENT": str(os.getpid())}
    common |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, __file__, "--rank", str(job)]
    log = job.with_name("log.txt")
    with log.open("wb") as stream:
        started = [
            subprocess.Popen(
                command,
                env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdout=stream,
                stderr=stream,
            )
            for rank in range(ranks)
        ]
        failed = _any_fails(started)
    if failed:
        sys.exit(log.read_text()[-2000:])


def _any_fails(started: list[subprocess.Popen[bytes]]) -> bool:
    """Wait for the processes; the first that fails ends the others, which would wait for it."""
    try:
        while True:
            codes = [process.poll() for process in started]
            if any(codes) or None not in codes:
                return any(codes)
            time.sleep(0.1)
    finally:
        for process in started:
            process.kill()
            process.wait()


def model(seen: Seen, workers: int) -> tuple[float, float]:
    """(makespan in seconds, utilisation) by the model: chunks dealt by cost, taking the seconds
    that were seen; preparing and scoring are pieces besides, dealt by their seconds."""
    from harness.generation.dealing import dealt

    chunks = [piece for piece in seen.pieces if piece.cost is not None]
    scale = sum(piece.seconds for piece in chunks) / sum(piece.cost or 0 for piece in chunks)
    costs = [piece.seconds if piece.cost is None else scale * piece.cost for piece in seen.pieces]
    found = dealt(costs, workers, [piece.seconds for piece in seen.pieces])
    return found.makespan, found.utilisation


def rows(asked: argparse.Namespace, place: Path) -> Iterator[dict[str, Any]]:
    """One row a round: what the model says of the ranks, and what they did."""
    from harness.config.devices import device_name

    for number in range(asked.rounds):
        alone = launch(asked.overrides, 1, place / f"{number}-1")
        many = launch(asked.overrides, asked.ranks, place / f"{number}-{asked.ranks}")
        chunks = sum(piece.cost is not None for piece in alone.pieces)
        shares = {f"model_busy_{width}": round(model(alone, width)[1], 3) for width in WIDTHS}
        expected, own = model(alone, asked.ranks)[0], model(many, asked.ranks)[0]
        yield {
            "chunks": chunks,
            "one_rank_s": round(alone.seconds, 2),
            **shares,
            "ranks": asked.ranks,
            "busy": " ".join(f"{many.busy(rank):.3f}" for rank in range(asked.ranks)),
            "measured_s": round(many.seconds, 2),
            "measured_by_model": round(many.seconds / expected, 3),
            "measured_by_own_pieces": round(many.seconds / own, 3),
            "measured_by_model_processor": round(
                many.seconds * many.share / (expected * alone.share), 3
            ),
            "processor": f"{alone.share:.2f} {many.share:.2f}",
            "machine": f"{device_name('cpu')}, {len(os.sched_getaffinity(0))} cores",
        }


def main(argv: list[str]) -> None:
    """Run the rounds, print a line for each and the medians; write them with --out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    parser.add_argument("overrides", nargs="*", help="further ones, such as eval.limit=20")
    asked = parser.parse_args(argv)
    asked.overrides = [*OVERRIDES, *asked.overrides]
    with tempfile.TemporaryDirectory() as place:
        found = []
        for row in rows(asked, Path(place)):
            found.append(row)
            print("  ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    for name in ("measured_by_model", "measured_by_own_pieces"):
        print(f"median {name} {median(row[name] for row in found):.3f}")
    if asked.out:
        with asked.out.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(found[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(found)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rank"]:
        rank_main(sys.argv[2])
    else:
        main(sys.argv[1:])
