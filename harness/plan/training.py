"""The models of a run, stage by stage, and the training nodes that make them; no torch."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.config import HarnessConfig, LossNorm, Schedule
from harness.config.plain import identity, plain_identity
from harness.config.sequence import widest_limits
from harness.data.rows import read_rows, split_path
from harness.methods.loading import load_objective, load_strategies
from harness.models.folders import ADAPTER_CONFIG
from harness.plan.cells import merges_experts
from harness.plan.editing import EditNodes
from harness.store.keys import FileHashes, digest, node_key
from harness.store.work import Node, Spec

# What a schedule's model is trained from and on; also the label of one model for all tasks.
ALL_TASKS = "all tasks"


class TrainingNodes:
    """Walks a run's stages. `walk` gives (stage, model, the nodes that make it)."""

    def __init__(self, config: HarnessConfig, hashes: FileHashes, order: Sequence[str]) -> None:
        self.config = config
        self.hashes = hashes
        self.order = list(order)
        self.hidden: list[Node] = []  # of stages that are made but not shown

    def walk(self, columns: Sequence[str]) -> Iterator[tuple[int, Spec, list[Node]]]:
        """Stage 0 and the trained stages, each as the method's edits leave it."""
        edits, initial = EditNodes(self.config, self.hashes), self.initial_model()
        for stage, model, nodes in self._trained(columns, initial):
            if stage == 0:
                yield stage, model, nodes
                continue
            final = stage == len(self.order)
            made = edits.after(stage, final, columns[stage - 1], initial, model)
            if edits.shows(final):
                yield stage, (made[-1].made() if made else edits.last), [*nodes, *made]
            else:
                self.hidden += nodes

    def _trained(
        self, columns: Sequence[str], initial: Spec
    ) -> Iterator[tuple[int, Spec, list[Node]]]:
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

    def initial_model(self) -> Spec:
        """The model of stage 0, by the content of its folder or by its name on the hub."""
        model = self.config.model
        folder = Path(model.path)
        if folder.is_dir():
            return self._folder(folder)
        key = digest({"hub": model.path, "revision": model.revision})
        return {"kind": "hub", "path": model.path, "revision": model.revision, "key": key}

    def training_file(self, name: str) -> Path:
        """The training split of a task."""
        return split_path(self.config.data.root, self.config.task[name].folder, "train")

    def _one_by_one(
        self, columns: Sequence[str], initial: Spec, alone: bool
    ) -> Iterator[tuple[int, Spec, list[Node]]]:
        model = initial
        for stage, name in enumerate(self.order, start=1):
            earlier = [] if alone else self.order[: stage - 1]
            parent = initial if alone else model
            node = self._node(stage, [name], parent, earlier, columns[stage - 1])
            model = node.made()
            yield stage, model, [node]

    def _foreign(self, folder: Path, initial: Spec) -> Spec:
        """A stage from elsewhere; an adapter's result depends on the model that it changes."""
        model = self._folder(folder)
        if (folder / ADAPTER_CONFIG).is_file():
            model["key"] = digest([model["key"], initial["key"]])
        return model

    def _folder(self, folder: Path) -> Spec:
        key = digest({"files": self.hashes.folder(folder)})
        return {"kind": "folder", "path": str(folder.absolute()), "key": key}

    def _node(
        self, stage: int, names: Sequence[str], parent: Spec, earlier: Sequence[str], label: str
    ) -> Node:
        """The node that trains `parent` on `names` after `earlier`. A single task from the initial
        model is one node, whichever schedule asks for it and at whatever stage."""
        config, depth = self.config, len(earlier) + 1
        budgets = [self._budget(name) for name in names]
        rate = self._rate(names)
        train = identity(config.train, "train")
        train |= {"epochs": _one(budgets), "learning_rate": rate}
        train["objective"] = plain_identity(load_objective(config.train))
        if config.train.loss_norm is LossNorm.micro_batch:
            train["micro_batch_size"] = config.train.micro_batch_size
        tasks = [{"name": name, **identity(config.task[name], "train")} for name in names]
        key = node_key(
            {
                "kind": "train",
                "inputs": [parent["key"]],
                "data": _one([self.hashes.file(self.training_file(name)) for name in names]),
                "task": _one(tasks),
                "train": train,
                "method": self._method(),
                "replayed": self._replayed(earlier),
                "engine": identity(config.engine, "train"),
                "model": identity(config.model, "train"),
                "seed": config.seed,
                "stage": depth,
            }
        )
        parts = [
            {"task": name, "data": str(self.training_file(name)), "epochs": epochs}
            for name, epochs in zip(names, budgets, strict=True)
        ]
        spec = {
            "task": names[0] if len(names) == 1 else ALL_TASKS,
            "parts": parts,
            "depth": depth,
            "learning_rate": rate,
            "earlier": [[task, str(self.training_file(task))] for task in earlier],
            "last": depth == len(self.order) or config.method.schedule is not Schedule.sequential,
        }
        return Node("train", key, stage, f"train {label}", parent, spec, self._work(parts))

    def _budget(self, name: str) -> int:
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

    def _work(self, parts: Sequence[Spec]) -> float:
        """Characters to train on: the unit of the progress display."""
        total = 0
        for part in parts:
            rows = read_rows(Path(part["data"]))
            total += part["epochs"] * sum(len(row["prompt"]) + len(row["answer"]) for row in rows)
        return float(total)

    def _method(self) -> Spec:
        """The method's identity: files that its strategies name enter by content, not by place."""
        found = identity(self.config.method, "train")
        if found.get("strategies"):
            found["strategies"] = {
                name: plain_identity(strategy)
                for name, strategy in load_strategies(self.config.method).items()
            }
        return found

    def _replayed(self, earlier: Sequence[str]) -> list[object]:
        """Hashes of all data besides the task's own that the strategies read, and the limits of
        what belongs to no task."""
        found: list[object] = []
        for strategy in load_strategies(self.config.method).values():
            inputs = strategy.key_inputs(list(earlier))
            paths = [Path(name) for name in inputs.files]
            paths += [self.training_file(name) for name in inputs.tasks]
            found += [self.hashes.file(path) for path in paths]
            found += [list(widest_limits(self.config))] if inputs.files else []
        return found


def _one(values: list) -> object:
    """The value of a list of one, so that a single task's key is what it always was."""
    return values[0] if len(values) == 1 else values
