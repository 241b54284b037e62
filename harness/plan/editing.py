"""The nodes that edit a run's models after training: stage t from the models of stages 0..t."""

from harness.config import EditStages, HarnessConfig
from harness.config.plain import identity, plain, plain_identity
from harness.config.sequence import task_order
from harness.data.rows import split_path
from harness.methods.edits.base import Edit
from harness.methods.edits.loading import load_edit
from harness.plan.cells import merges_experts
from harness.store.keys import FileHashes, node_key
from harness.store.work import Node, Spec


class EditNodes:
    """Follows a run's stages and applies the method's edits, in the order of its file.

    The first edit may merge the models of all stages so far, each once (a task that is visited
    again has no second expert), from the second on: what a lone model would be merged to is
    left open, and it is taken as it is. Every further edit
    works on what the one before it made.
    """

    def __init__(self, config: HarnessConfig, hashes: FileHashes) -> None:
        self.config, self.method = config, config.method
        self.hashes = hashes
        self.alone = merges_experts(config)
        self.edits = {
            name: load_edit(spec, f"method.{name}") for name, spec in config.method.edits.items()
        }
        self.models: list[Spec] = []
        self.last: Spec = {}

    def shows(self, final: bool) -> bool:
        """Is this stage scored? A lone expert is not a stage of the run."""
        return final or not (self.alone and self.method.edit.at is EditStages.final)

    def after(self, stage: int, final: bool, column: str, initial: Spec, model: Spec) -> list[Node]:
        """The edit nodes of a stage whose trained model is `model`; none where nothing is edited,
        and then `last` is the stage's model."""
        self.models.append(model)
        self.last = model
        if self.method.edit.at is EditStages.final and not final:
            return []
        made: list[Node] = []
        for name, edit in self.edits.items():
            tuned = self._experts() if edit.merges() else [self.last]
            if edit.merges() and len(tuned) == 1:
                continue
            node = self._node(stage, name, edit, column, initial, tuned)
            self.last = node.made()
            made.append(node)
        return made

    def _experts(self) -> list[Spec]:
        return list({model["key"]: model for model in self.models}.values())

    def _node(
        self, stage: int, name: str, edit: Edit, column: str, initial: Spec, tuned: list[Spec]
    ) -> Node:
        validation = self._validation(stage) if edit.chooses() else []
        chosen_on = {"validation": [item.pop("key") for item in validation]} if validation else {}
        key = node_key(
            {
                "kind": "edit",
                "inputs": [initial["key"], *(model["key"] for model in tuned)],
                "edit": plain_identity(edit),
                **chosen_on,
            }
        )
        spec = {
            "validation": validation,
            "name": name,
            "edit": self.method.edits[name],
            "base": initial,
            "tuned": tuned,
            "needs": [[m["kind"], m["key"]] for m in tuned if m["kind"] in ("train", "edit")],
        }
        label = f"{name} after {column}"
        return Node("edit", key, stage, label, tuned[-1], spec, float(len(tuned)))

    def _validation(self, stage: int) -> list[Spec]:
        """The eval splits of the tasks so far, greedily generated, each with what its score
        depends on."""
        rules = identity(self.config.eval, "eval")
        found = []
        for name in dict.fromkeys(task_order(self.config)[:stage]):
            task = self.config.task[name]
            path = split_path(self.config.data.root, task.folder, "eval")
            key = [name, self.hashes.file(path), identity(task, "eval"), rules]
            key += [identity(self.config.engine, "eval"), identity(self.config.model, "eval")]
            found.append(
                {
                    "benchmark": name,
                    "data": str(path),
                    "limit": self.config.eval.limit,
                    "temperature": 0.0,
                    "what": plain(task),
                    "key": key,
                }
            )
        return found
