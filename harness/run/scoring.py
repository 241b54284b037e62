"""Scoring: the benchmarks of one model, in chunks that go to whichever rank is free.

Ranks settle who does what by claims in the store and exchange nothing: none waits in a collective
for another one's answers. One rank owns each benchmark: it prepares its requests, and when all
chunks are answered, by anybody, it makes the scores of them and writes the node. What is answered
stays in the store until then, so that a killed evaluation goes on at the next chunk.
"""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.generation.dealing import GENERATED
from harness.plan.generating import generation_passes, most_generated
from harness.plan.tokens import TokenCounts
from harness.run.handler import Handler, Site, Size, source
from harness.run.versions import versions
from harness.store.layout import DATASETS, SUITES, cache_place
from harness.store.listener import Listener
from harness.store.work import EvalWork

if TYPE_CHECKING:
    from harness.evaluation.evaluator import Evaluator, Prepared
    from harness.evaluation.partial import Partial
    from harness.generation.requests import Requests

POLL_SECONDS = 0.1


class Scoring(Handler[EvalWork]):
    """Chunks of all benchmarks of a model, the largest first."""

    def size(self, work: EvalWork, counts: TokenCounts) -> Size:
        if work.by_likelihood:
            return Size(work.items, "likelihoods", read=work.read_tokens)
        return Size(
            work.items,
            "generations",
            read=work.read_tokens,
            generated=most_generated(work),
            passes=generation_passes(work),
        )

    def together(self, first: EvalWork, other: EvalWork) -> bool:
        return first.model == other.model

    def run(self, works: Sequence[EvalWork], site: Site) -> None:
        from harness.evaluation.evaluator import Evaluator

        evaluator = Evaluator(site.config, source(works[0].model, site.store), site.rank.device)
        desk = _Desk(works, site, evaluator)
        desk.work()
        site.rank.barrier()  # all have seen that all is done
        if site.rank.first:
            shutil.rmtree(desk.claims.folder, ignore_errors=True)


def _cost(work: EvalWork) -> int:
    """How long a benchmark takes beside others, before its requests are there."""
    return work.read_tokens + GENERATED * most_generated(work)


@dataclass(frozen=True)
class _Own:
    """A benchmark that this rank owns, and the open folder of its node."""

    prepared: "Prepared"
    folder: Path
    listener: Listener
    closing: ExitStack


@dataclass(frozen=True)
class _Ready:
    """A benchmark whose chunks can be taken. before: chunks that were answered when this rank
    first saw it, perhaps by an earlier launch."""

    requests: "Requests"
    before: set[int]
    listener: Listener


class _Desk:
    """What one rank does until all benchmarks are scored."""

    def __init__(self, works: Sequence[EvalWork], site: Site, evaluator: "Evaluator") -> None:
        self.site, self.evaluator = site, evaluator
        self.claims = site.claims(works)
        by_cost = sorted(works, key=_cost, reverse=True)
        self.works = {work.key: work for work in by_cost}
        self.own: dict[str, _Own] = {}
        self.ready: dict[str, _Ready] = {}

    def work(self) -> None:
        """Own, answer and finish until nothing is left."""
        with ExitStack() as stack:
            while True:
                taken = self.claims.taken()
                left = [key for key in self.works if f"{key}.done" not in taken]
                if not left:
                    return
                busy = self._finish() or self._answer(left, taken) or self._own(left, taken, stack)
                if not busy:
                    time.sleep(POLL_SECONDS)

    def _partial(self, key: str) -> "Partial":
        from harness.evaluation.partial import Partial

        return Partial(self.site.store.partial_path("eval", key))

    def _own(self, left: list[str], taken: set[str], stack: ExitStack) -> bool:
        """Prepare the most costly benchmark that nobody owns."""
        from harness.evaluation.datasets_cache import local_cache

        free = (key for key in left if f"{key}.owned" not in taken)
        key = next((key for key in free if self.claims.take(f"{key}.owned")), None)
        if key is None:
            return False
        work, closing = self.works[key], stack.enter_context(ExitStack())
        folder, listener = closing.enter_context(self.site.writing(work))
        datasets = cache_place(self.site.store.root, DATASETS)
        with nullcontext() if work.data is None else local_cache(datasets):
            prepared = self.evaluator.prepare(work, folder)
        self._keep_asked(work)
        about = {"versions": versions(), "device": self.site.rank.device.partition(":")[0]}
        about["deterministic"] = self.site.config.engine.deterministic
        self._partial(key).begin(prepared.requests, about)
        self.own[key] = _Own(prepared, folder, listener, closing)
        self.claims.take(f"{key}.ready")
        return True

    def _keep_asked(self, work: EvalWork) -> None:
        """Of readers' material the prompts lie in the store anyhow."""
        from harness.evaluation.material import store_copy

        if work.data is not None and work.benchmark.source is None:
            shared = cache_place(self.site.store.root, SUITES)
            store_copy(Path(work.data.path), work.data.sha256, shared)

    def _answer(self, left: list[str], taken: set[str]) -> bool:
        """Answer the most costly chunk that nobody has taken."""
        free = sorted(self._free(left, taken))
        chosen = next((one for one in free if self.claims.take(_chunk(*one[1:]))), None)
        if chosen is None:
            return False
        from harness.evaluation.evaluator import Heard

        _, key, number = chosen
        ready, partial = self.ready[key], self._partial(key)
        chunks = ready.requests.chunks
        before = sum(len(chunks[one].members) for one in partial.answered())
        heard = Heard(ready.listener, len(ready.requests), before)
        seed = self.works[key].seed
        partial.write(number, self.evaluator.answer(ready.requests, chunks[number], seed, heard))
        return True

    def _free(self, left: list[str], taken: set[str]) -> Iterator[tuple[int, str, int]]:
        """(-cost, key, number) of every chunk that may be taken."""
        for key in left:
            if f"{key}.ready" not in taken:
                continue
            if key not in self.ready and not self._see(key):
                continue
            ready = self.ready[key]
            for number, chunk in enumerate(ready.requests.chunks):
                if number not in ready.before and _chunk(key, number) not in taken:
                    yield -chunk.cost, key, number

    def _see(self, key: str) -> bool:
        partial = self._partial(key)
        try:
            requests, before = partial.requests(), partial.answered()
        except FileNotFoundError:
            return False  # it was finished a moment ago, which the next look at the claims says
        own = self.own.get(key)
        listener = own.listener if own else self.site.hearing(self.works[key])
        self.ready[key] = _Ready(requests, before, listener)
        return True

    def _finish(self) -> bool:
        """Score a benchmark of this rank whose chunks are all answered."""
        for key, own in self.own.items():
            partial, chunks = self._partial(key), own.prepared.requests.chunks
            if len(partial.answered()) == len(chunks):
                break
        else:
            return False
        answers = [partial.read(number) for number in range(len(chunks))]
        self.evaluator.finish(own.prepared, answers, own.folder)
        own.closing.close()
        partial.remove()
        self.claims.take(f"{key}.done")
        del self.own[key]
        self.ready.pop(key, None)
        return True


def _chunk(key: str, number: int) -> str:
    return f"{key}.{number:05d}"
