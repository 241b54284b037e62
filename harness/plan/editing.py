"""The work that edits a run's models after training: stage t from the models of stages 0..t."""

from collections.abc import Sequence

from harness.config import EditStages, HarnessConfig
from harness.config.plain import plain_identity
from harness.config.sequence import task_order
from harness.methods.edits.base import Edit
from harness.methods.edits.loading import load_edit
from harness.plan.cells import merges_experts
from harness.plan.scoring import Scoring
from harness.store.records import Evaluation, Lesson, ModelRef
from harness.store.work import EditWork


class EditNodes:
    """Follows a run's stages and applies the method's edits, in the order of its file.

    The first edit may merge the models of all stages so far, each once (a task that is visited
    again has no second expert), from the second on: what a lone model would be merged to is
    left open, and it is taken as it is. Every further edit
    works on what the one before it made.
    """

    def __init__(self, config: HarnessConfig, scoring: Scoring, initial: ModelRef) -> None:
        self.config, self.method = config, config.method
        self.scoring, self.initial = scoring, initial
        self.alone = merges_experts(config)
        self.edits = {
            name: load_edit(settings, f"method.{name}")
            for name, settings in config.method.edits.items()
        }
        self.order = task_order(config)
        self.models: list[ModelRef] = []
        self.last = initial

    def shows(self, final: bool) -> bool:
        """Is this stage scored? A lone expert is not a stage of the run."""
        return final or not (self.alone and self.method.edit.at is EditStages.final)

    def after(
        self,
        stage: int,
        final: bool,
        column: str,
        model: ModelRef,
        rivals: Sequence[ModelRef] = (),
    ) -> list[EditWork]:
        """The edits of a stage whose trained model is `model`; none where nothing is edited.
        `last` then is the stage's model. rivals: the same stage at other learning rates."""
        self.models.append(model)
        self.last = model
        if self.method.edit.at is EditStages.final and not final:
            return []
        made: list[EditWork] = []
        for name, edit in self.edits.items():
            tuned = self._experts(rivals) if edit.merges() else (self.last,)
            if edit.merges() and len(tuned) == 1:
                continue
            node = self._node(stage, name, edit, column, tuned)
            self.last = node.made()
            made.append(node)
        return made

    def _experts(self, rivals: Sequence[ModelRef]) -> tuple[ModelRef, ...]:
        if rivals:
            return self.models[-1], *rivals
        return tuple({model.key: model for model in self.models}.values())

    def _node(
        self, stage: int, name: str, edit: Edit, column: str, tuned: tuple[ModelRef, ...]
    ) -> EditWork:
        return EditWork(
            stage=stage,
            label=f"{name} after {column}",
            effort=float(len(tuned)),
            edit=plain_identity(edit),
            base=self.initial,
            tuned=tuned,
            validation=self._validation(stage, edit) if edit.chooses() else (),
            lessons=self._lessons(stage, tuned, edit.split) if edit.split else (),
            name=name,
            settings=self.method.edits[name],
        )

    def _validation(self, stage: int, edit: Edit) -> tuple[Evaluation, ...]:
        """The eval splits of the tasks so far; of one model that of the task at hand last."""
        names = list(dict.fromkeys(self.order[:stage]))
        if not edit.merges():
            names.sort(key=lambda name: name == self.order[stage - 1])
        return tuple(self.scoring.validation(name) for name in names)

    def _lessons(self, stage: int, tuned: tuple[ModelRef, ...], split: str) -> tuple[Lesson, ...]:
        """Of every model the rows of the task that it was trained on last."""
        tasks = {model.key: name for model, name in zip(self.models, self.order, strict=False)}
        names = [tasks.get(model.key, self.order[stage - 1]) for model in tuned]
        return tuple(
            Lesson(name, self.config.task[name], self.scoring.rows(name, split), self.config.model)
            for name in names
        )
