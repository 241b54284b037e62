"""Who does which kind of work: one handler per kind, for the plan that sizes it and for the ranks.

A new kind of work is a dataclass in `store.work` and one class here. Importing this loads no torch.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from harness.config import HarnessConfig
from harness.plan.tokens import TokenCounts, training_tokens
from harness.store.layout import DATASETS, cache_place
from harness.store.listener import Listener
from harness.store.records import Hub, Made, ModelRef
from harness.store.store import Store
from harness.store.work import EditWork, EvalWork, JudgeWork, TrainWork, Work

if TYPE_CHECKING:
    from harness.train.engine.ranks import Rank

Kind = TypeVar("Kind", bound=Work)


@dataclass(frozen=True)
class Size:
    """How much work there is: an amount of a unit (0 = not known before it starts), and what that
    means in tokens to train on, to read and at most to generate, and in whole models to store."""

    amount: int
    unit: str
    trained: int = 0
    read: int = 0
    generated: int = 0
    models: int = 0


class Site(Protocol):
    """Where a rank works."""

    config: HarnessConfig
    store: Store
    rank: "Rank"

    def writing(self, work: Work) -> AbstractContextManager[tuple[Path, Listener]]:
        """A folder that becomes the node when it is left without an error, and who hears how far
        the work is."""

    def reading(self, work: Work) -> Path:
        """The folder of `writing` as a rank sees it that does not own it."""


class Handler(ABC, Generic[Kind]):
    """What the rest of the harness has to know of one kind of work."""

    @abstractmethod
    def size(self, work: Kind, counts: TokenCounts) -> Size:
        """How much there is to do; `counts` are of the training files."""

    def together(self, first: Kind, other: Kind) -> bool:
        """May neighbours in a plan be run by one call, because they share what is loaded?"""
        return False

    @abstractmethod
    def run(self, works: Sequence[Kind], site: Site) -> None:
        """Do it; all ranks call this with the same works, which all go `together`."""


class Training(Handler[TrainWork]):
    """All ranks train; the first one owns the folder."""

    def size(self, work: TrainWork, counts: TokenCounts) -> Size:
        tokens = training_tokens(work, counts)
        # An adapter is small beside a model.
        return Size(tokens, "tokens", trained=tokens, models=int(_trains_all_weights(work)))

    def run(self, works: Sequence[TrainWork], site: Site) -> None:
        from harness.train.job import Part, TrainJob
        from harness.train.stage import train_task

        for work in works:
            job = TrainJob(
                config=site.config,
                stage=work.position,
                task=work.task,
                parts=[Part(p.name, Path(p.data.path), p.epochs) for p in work.parts],
                learning_rate=work.settings.train.learning_rate,
                parent=source(work.model, site.store),
                earlier=[(task.name, Path(task.path)) for task in work.earlier],
                last=work.last,
            )
            if site.rank.first:
                with site.writing(work) as (folder, listener):
                    train_task(job, folder, site.rank, listener.update)
            else:
                train_task(job, site.reading(work), site.rank, lambda done, total: None)
            site.rank.barrier()


def _trains_all_weights(work: TrainWork) -> bool:
    return work.settings.method.adapter is None


class Scoring(Handler[EvalWork]):
    """Whole cells, dealt to the ranks in turn, so that no batch depends on their number."""

    def size(self, work: EvalWork, counts: TokenCounts) -> Size:
        if work.by_likelihood:
            return Size(work.items, "likelihoods", read=work.read_tokens)
        longest = work.items * work.benchmark.max_answer_tokens
        return Size(work.items, "generations", read=work.read_tokens, generated=longest)

    def together(self, first: EvalWork, other: EvalWork) -> bool:
        return first.model == other.model

    def run(self, works: Sequence[EvalWork], site: Site) -> None:
        from harness.evaluation.datasets_cache import local_cache
        from harness.evaluation.evaluator import Evaluator

        mine = works[site.rank.index :: site.rank.world]
        if not mine:
            return
        evaluator = Evaluator(site.config, source(mine[0].model, site.store), site.rank.device)
        datasets = cache_place(site.store.root, DATASETS)
        for work in mine:
            cache = nullcontext() if work.data is None else local_cache(datasets)
            with site.writing(work) as (folder, listener), cache:
                evaluator.score(work, folder, listener)


class Editing(Handler[EditWork]):
    """The first rank streams the weights; the others wait for the new model."""

    def size(self, work: EditWork, counts: TokenCounts) -> Size:
        return Size(len(work.tuned), "models", models=1)

    def run(self, works: Sequence[EditWork], site: Site) -> None:
        from harness.methods.edits.apply import write_edit
        from harness.methods.edits.loading import load_edit

        for work in works if site.rank.first else ():
            base = local_folder(work.base, site.store)
            tuned = [local_folder(model, site.store) for model in work.tuned]
            edit = load_edit(work.settings, f"method.{work.name}")
            if work.validation:
                from harness.evaluation.validation import validation_score

                asked, device = work.validation, site.rank.device
                edit.score_by(validation_score(site.config, asked, device))
            with site.writing(work) as (folder, listener):
                write_edit(edit, base, tuned, folder, listener.update)
        site.rank.barrier()


class Judging(Handler[JudgeWork]):
    """The first rank asks the judge; the others' answers must be written before."""

    def size(self, work: JudgeWork, counts: TokenCounts) -> Size:
        return Size(work.items, "judgements")

    def together(self, first: JudgeWork, other: JudgeWork) -> bool:
        return True

    def run(self, works: Sequence[JudgeWork], site: Site) -> None:
        from harness.evaluation.judge.pairs import JudgeRunner

        site.rank.barrier()
        if not site.rank.first:
            return
        runner = JudgeRunner(site.config, site.store, site.rank.device)
        for work in works:
            with site.writing(work) as (folder, listener):
                runner.run(work, folder, listener)


HANDLERS: dict[type[Work], Handler] = {
    TrainWork: Training(),
    EvalWork: Scoring(),
    EditWork: Editing(),
    JudgeWork: Judging(),
}


def size(work: Work, counts: TokenCounts) -> Size:
    """How much there is to do of any kind of work."""
    return HANDLERS[type(work)].size(work, counts)


def grouped(works: Sequence[Work]) -> Iterator[list[Work]]:
    """Neighbours that go together, in order."""
    group: list[Work] = []
    for work in works:
        same = bool(group) and type(work) is type(group[0])
        if same and HANDLERS[type(work)].together(group[0], work):
            group.append(work)
            continue
        if group:
            yield group
        group = [work]
    if group:
        yield group


def source(model: ModelRef, store: Store) -> Path | str:
    """What loads a model: its folder, or its name on the hub."""
    return store.path(model.kind, model.key) if isinstance(model, Made) else model.path


def local_folder(model: ModelRef, store: Store) -> Path:
    """Where a model lies; one of the hub must have been fetched."""
    if not isinstance(model, Hub):
        return Path(source(model, store))
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(model.path, revision=model.revision))
