"""Who does which kind of work: one handler per kind, for the plan that sizes it and for the ranks.

A new kind of work is a dataclass in `store.work` and one class here. Importing this loads no torch.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from harness.plan.tokens import TokenCounts, training_tokens
from harness.run.handler import Handler, Site, Size, source
from harness.run.scoring import Scoring
from harness.store.listener import SILENT
from harness.store.records import Hub, ModelRef
from harness.store.store import Store
from harness.store.work import EditWork, EvalWork, JudgeWork, TrainWork, Work


class Training(Handler[TrainWork]):
    """All ranks train; the first one owns the folder."""

    def size(self, work: TrainWork, counts: TokenCounts) -> Size:
        tokens = training_tokens(work, counts)
        return Size(tokens, "tokens", trained=tokens)

    def run(self, works: Sequence[TrainWork], site: Site) -> None:
        from harness.train.checkpoint import Keeping
        from harness.train.job import Part, TrainJob
        from harness.train.stage import train_task

        for work in works:
            # The plan may stop one stage of a run earlier than the others (train.last_steps).
            train = replace(site.config.train, max_steps=work.settings.train.max_steps)
            job = TrainJob(
                config=replace(site.config, train=train),
                stage=work.position,
                task=work.task,
                parts=[Part(p.name, Path(p.data.path), p.epochs) for p in work.parts],
                learning_rate=work.settings.train.learning_rate,
                parent=source(work.model, site.store),
                earlier=[(task.name, Path(task.path)) for task in work.earlier],
                last=work.last,
                neighbours=work.neighbours,
                halvings=site.halvings,
            )
            kept = site.kept(work)
            if site.rank.first:
                with site.writing(work) as (folder, listener):
                    keeping = Keeping(kept, listener.goes_on)
                    heard = listener.update, listener.tell, keeping, listener.steps
                    train_task(job, folder, site.rank, *heard)
                kept.remove()
            else:
                folder, keeping = site.reading(work), Keeping(kept)
                train_task(job, folder, site.rank, SILENT.update, SILENT.tell, keeping)
            site.rank.barrier()


class Editing(Handler[EditWork]):
    """The first rank streams the weights; the others wait for the new model."""

    def size(self, work: EditWork, counts: TokenCounts) -> Size:
        return Size(len(work.tuned), "models")

    def run(self, works: Sequence[EditWork], site: Site) -> None:
        from harness.methods.edits.apply import write_edit
        from harness.methods.edits.lessons import lessons
        from harness.methods.edits.loading import load_edit

        for work in works if site.rank.first else ():
            base = local_folder(work.base, site.store)
            tuned = [local_folder(model, site.store) for model in work.tuned]
            edit = load_edit(work.settings, f"method.{work.name}")
            if work.validation:
                from harness.evaluation.validation import validation_scores

                asked, device = work.validation, site.rank.device
                edit.score_by(validation_scores(site.config, asked, device))
            with site.writing(work) as (folder, listener), ExitStack() as stack:
                if work.lessons:
                    asked = site.config, work.lessons, base, tuned, site.rank.device, folder
                    edit.learn_from(stack.enter_context(lessons(*asked)))
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


def local_folder(model: ModelRef, store: Store) -> Path:
    """Where a model lies; one of the hub must have been fetched."""
    if not isinstance(model, Hub):
        return Path(source(model, store))
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(model.path, revision=model.revision))
