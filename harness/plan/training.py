"""The models of a run, stage by stage, and the work that trains them; no torch."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from harness.config import HarnessConfig, LossNorm, Schedule
from harness.config.plain import plain_identity
from harness.config.sequence import widest_limits
from harness.data.rows import read_rows, split_path
from harness.methods.base import Strategy
from harness.methods.loading import load_strategies
from harness.models.folders import ADAPTER_CONFIG
from harness.plan.cells import merged_rates, merges_experts
from harness.plan.editing import EditNodes
from harness.plan.scoring import Scoring
from harness.store.keys import FileHashes, digest
from harness.store.records import (
    Content,
    EarlierTask,
    Folder,
    Hub,
    Lender,
    ModelRef,
    Neighbours,
    Part,
    TrainSettings,
)
from harness.store.work import TrainWork, Work
from harness.train.objectives import load_objective

# What a schedule's model is trained from and on; also the label of one model for all tasks.
ALL_TASKS = "all tasks"
Stage = tuple[int, ModelRef, list[Work]]  # its number, its model, the work that makes it


class TrainingNodes:
    """Walks a run's stages. `walk` gives (stage, model, the nodes that make it)."""

    def __init__(
        self, config: HarnessConfig, hashes: FileHashes, order: Sequence[str], scoring: Scoring
    ) -> None:
        self.config = config
        self.hashes = hashes
        self.order = list(order)
        self.scoring = scoring
        self.hidden: list[Work] = []  # of stages that are made but not shown
        self._characters: dict[Path, int] = {}

    def walk(self, columns: Sequence[str]) -> Iterator[Stage]:
        """Stage 0 and the trained stages, each as the method's edits leave it."""
        initial = self.initial_model()
        edits = EditNodes(self.config, self.scoring, initial)
        rivals = [self._at_rate(rate) for rate in merged_rates(self.config)]
        beside = [rival._trained(columns, initial) for rival in rivals]
        for (stage, model, own), *others in zip(
            self._trained(columns, initial), *beside, strict=True
        ):
            nodes = [*own, *(node for _, _, theirs in others for node in theirs)]
            if stage == 0:
                yield stage, model, nodes
                continue
            final = stage == len(self.order)
            same = [other for _, other, _ in others]
            made = edits.after(stage, final, columns[stage - 1], model, same)
            if edits.shows(final):
                yield stage, edits.last, [*nodes, *made]
            else:
                self.hidden += nodes

    def _at_rate(self, rate: float) -> "TrainingNodes":
        """The same run at another learning rate."""
        train = replace(self.config.train, learning_rate=rate)
        config = replace(self.config, train=train)
        return TrainingNodes(config, self.hashes, self.order, self.scoring)

    def _trained(self, columns: Sequence[str], initial: ModelRef) -> Iterator[Stage]:
        """Stage 0 and the stages that the schedule has, in order.

        sequential: stage t continues stage t - 1 on task t. single: stage t is the initial model
        trained on task t alone. joint: stage T is the initial model trained on all tasks at once.
        none: nothing but stage 0. Folders that were trained elsewhere take the place of training.
        """
        method = self.config.method
        yield 0, initial, []
        if method.checkpoints is not None:
            for stage, folder in enumerate(method.checkpoints, start=1):
                yield stage, self._foreign(Path(folder), initial), []
        elif method.schedule is Schedule.joint:
            node = self._node(len(self.order), self.order, initial, [], ALL_TASKS)
            yield len(self.order), node.made(), [node]
        elif method.schedule is not Schedule.none:
            alone = method.schedule is Schedule.single or merges_experts(self.config)
            yield from self._one_by_one(columns, initial, alone)

    def initial_model(self) -> ModelRef:
        """The model of stage 0, by the content of its folder or by its name on the hub."""
        model = self.config.model
        folder = Path(model.path)
        if folder.is_dir():
            return self._folder(folder)
        key = digest({"hub": model.path, "revision": model.revision})
        return Hub(model.path, model.revision, key)

    def training_file(self, name: str) -> Path:
        """The training split of a task."""
        return split_path(self.config.data.root, self.config.task[name].folder, "train")

    def _one_by_one(
        self, columns: Sequence[str], initial: ModelRef, alone: bool
    ) -> Iterator[Stage]:
        model = initial
        for stage, name in enumerate(self.order, start=1):
            earlier = [] if alone else self.order[: stage - 1]
            parent = initial if alone else model
            node = self._node(stage, [name], parent, earlier, columns[stage - 1])
            model = node.made()
            yield stage, model, [node]

    def _foreign(self, folder: Path, initial: ModelRef) -> ModelRef:
        """A stage from elsewhere; an adapter's result depends on the model that it changes."""
        model = self._folder(folder)
        if (folder / ADAPTER_CONFIG).is_file():
            return replace(model, key=digest([model.key, initial.key]))
        return model

    def _folder(self, folder: Path) -> Folder:
        key = digest({"files": self.hashes.folder(folder)})
        return Folder(str(folder.absolute()), key)

    def _node(
        self,
        stage: int,
        names: Sequence[str],
        parent: ModelRef,
        earlier: Sequence[str],
        label: str,
    ) -> TrainWork:
        """The work that trains `parent` on `names` after `earlier`. A single task from the initial
        model is one node, whichever schedule asks for it and at whatever stage."""
        config, position = self.config, len(earlier) + 1
        by_micro_batch = config.train.loss_norm is LossNorm.micro_batch
        replayed, limits = self._replayed(earlier)
        return TrainWork(
            stage=stage,
            label=f"train {label}",
            effort=self._effort(names),
            model=parent,
            parts=tuple(self._part(name) for name in names),
            settings=self._settings(names, last=stage == len(self.order)),
            strategies={n: plain_identity(strategy) for n, strategy in self._strategies.items()},
            objective=plain_identity(load_objective(config.train)),
            micro_batch_size=config.train.micro_batch_size if by_micro_batch else None,
            replayed=replayed,
            limits=limits,
            neighbours=self._neighbours(stage) if len(names) == 1 else None,
            seed=config.seed,
            position=position,
            task=names[0] if len(names) == 1 else ALL_TASKS,
            earlier=tuple(EarlierTask(n, str(self.training_file(n))) for n in earlier),
            last=position == len(self.order) or config.method.schedule is not Schedule.sequential,
        )

    def _part(self, name: str) -> Part:
        data = self._content(self.training_file(name))
        return Part(name, self.config.task[name], data, self._epochs(name))

    def _neighbours(self, stage: int) -> Neighbours | None:
        """With whom a stage exchanges rows: nobody where boundaries are sharp."""
        if not self.config.sequence.blur:
            return None
        before, after = stage - 2, stage  # places in the order, which counts from 0
        return Neighbours(
            self.config.sequence.blur,
            self._lender(self.order[before]) if before >= 0 else None,
            self._lender(self.order[after]) if after < len(self.order) else None,
        )

    def _lender(self, name: str) -> Lender:
        return Lender(name, self.config.task[name], self._content(self.training_file(name)))

    def _content(self, path: Path) -> Content:
        return Content(str(path), self.hashes.file(path))

    def _settings(self, names: Sequence[str], last: bool) -> TrainSettings:
        config = self.config
        train = replace(config.train, learning_rate=self._rate(names))
        if last and train.last_steps is not None:
            train = replace(train, max_steps=train.last_steps)
        return TrainSettings(train, config.method, config.engine, config.model)

    def _epochs(self, name: str) -> int:
        train = self.config.train
        tables = [train.task_epochs, {name: self.config.task[name].epochs}]
        if self.config.method.adapter is not None:
            tables.insert(0, train.adapter_task_epochs)
        return train.epochs or next(table[name] for table in tables if name in table)

    def _rate(self, names: Sequence[str]) -> float:
        """The peak learning rate; one for all tasks where they are trained together."""
        own = self.config.task[names[0]].learning_rate if len(names) == 1 else None
        rate = own or self.config.train.learning_rate
        return self.config.method.learning_rate_factor * rate

    def _effort(self, names: Sequence[str]) -> float:
        """Characters to train on: the unit of the progress display."""
        return float(sum(self._epochs(n) * self._size(self.training_file(n)) for n in names))

    def _size(self, path: Path) -> int:
        if path not in self._characters:
            rows = read_rows(path)
            self._characters[path] = sum(len(row["prompt"]) + len(row["answer"]) for row in rows)
        return self._characters[path]

    @cached_property
    def _strategies(self) -> dict[str, Strategy]:
        return load_strategies(self.config.method)

    def _replayed(self, earlier: Sequence[str]) -> tuple[tuple[Content, ...], tuple[int, ...]]:
        """All data besides the task's own that the strategies read, by content, and the limits of
        what belongs to no task."""
        paths: list[Path] = []
        limits: tuple[int, ...] = ()
        for strategy in self._strategies.values():
            inputs = strategy.key_inputs(list(earlier))
            paths += [Path(name) for name in inputs.files]
            paths += [self.training_file(name) for name in inputs.tasks]
            limits = widest_limits(self.config) if inputs.files else limits
        return tuple(self._content(path) for path in paths), limits
