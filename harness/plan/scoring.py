"""The work that scores models: a task of the sequence or a benchmark of a suite on one model."""

from dataclasses import fields, replace
from importlib.metadata import version
from pathlib import Path

from harness.config import BenchmarkConfig, HarnessConfig, PromptStyle, TaskConfig
from harness.config.parts import Kind, named_identity
from harness.data.demonstrations import demonstration_split, draw_demonstrations
from harness.data.rows import read_rows, split_path
from harness.evaluation.amounts import UNKNOWN, Amount, of_rows, of_source
from harness.evaluation.material import rows_file, source_folder
from harness.store.keys import FileHashes, digest
from harness.store.records import (
    Benchmark,
    Content,
    Demonstrations,
    EvalSettings,
    Evaluation,
    ModelRef,
    Named,
)
from harness.store.work import EvalWork


class Scoring:
    """What a configuration asks of its models: evaluations, and the work that they are."""

    def __init__(self, config: HarnessConfig, hashes: FileHashes) -> None:
        self.config = config
        self.hashes = hashes
        self.settings = EvalSettings(config.eval, config.engine, config.model)
        self._tasks = dict[str, Evaluation]()

    def task(self, name: str) -> Evaluation:
        """A task of the sequence on the split that the run scores; put together once, though it is
        asked at many stages."""
        if name not in self._tasks:
            self._tasks[name] = self._task(name)
        return self._tasks[name]

    def _task(self, name: str) -> Evaluation:
        prompting, task = self.config.method.prompting, self.config.task[name]
        cap = self.config.eval.max_answer_tokens
        if prompting.postprocess:
            cap = task.first_tokens or cap
        scored = task if cap is None else replace(task, max_answer_tokens=cap)
        return self._evaluation(
            as_benchmark(name, scored),
            self._split(name, self.config.eval.split.value),
            limit=self.config.eval.limit,
            temperature=self.config.eval.temperature,
            shown=self._demonstrations(name),
            cut=task.demonstration_end if prompting.postprocess else None,
        )

    def validation(self, name: str) -> Evaluation:
        """A task's eval split, generated greedily: what edits choose models by."""
        benchmark = as_benchmark(name, self.config.task[name])
        path = self._split(name, "eval")
        return self._evaluation(benchmark, path, limit=self.config.eval.limit)

    def rows(self, name: str, split: str) -> Content:
        """The file of a task's split, by its content."""
        return self._content(self._split(name, split))

    def benchmark(
        self, name: str, config: BenchmarkConfig, temperature: float | None = None
    ) -> Evaluation:
        """A benchmark of a suite. Those with right answers are generated greedily, whatever the
        tasks are; a temperature that is given goes before."""
        rules = self.config.eval
        own = rules.temperature if config.judged else rules.suite_temperature
        return self._evaluation(
            as_benchmark(name, config),
            self._place(config),
            limit=config.limit or rules.limit,
            temperature=own if temperature is None else temperature,
        )

    def work(self, stage: int, model: ModelRef, asked: Evaluation) -> EvalWork:
        """The work of putting an evaluation to a model."""
        benchmark, amount = asked.benchmark, _amount(asked)
        items = amount.within(asked.limit)
        each = 1 if amount.by_likelihood else benchmark.max_answer_tokens
        return EvalWork(
            **{spec.name: getattr(asked, spec.name) for spec in fields(asked)},
            stage=stage,
            label=f"score {benchmark.name}",
            model=model,
            items=items,
            read_tokens=amount.tokens_within(asked.limit),
            by_likelihood=amount.by_likelihood,
            effort=float(items * each),
        )

    def _evaluation(
        self,
        benchmark: Benchmark,
        path: Path | None,
        *,
        limit: int | None,
        temperature: float = 0.0,
        shown: Demonstrations | None = None,
        cut: str | None = None,
    ) -> Evaluation:
        return Evaluation(
            benchmark=benchmark,
            data=None if path is None else self._content(path),
            limit=limit,
            temperature=temperature,
            seed=self.config.seed if temperature > 0 else None,
            shown=shown,
            cut=cut,
            lm_eval=version("lm_eval") if path is None else None,
            settings=self.settings,
        )

    def _demonstrations(self, name: str) -> Demonstrations | None:
        """What stands before every prompt of a task: a fixed seeded draw of its solved rows."""
        prompting, task = self.config.method.prompting, self.config.task[name]
        if prompting.demonstrations == 0:
            return None
        rows = read_rows(self._split(name, demonstration_split(task, prompting).value))
        drawn = draw_demonstrations(rows, name, task, prompting)
        instruction = task.instruction if prompting.style is PromptStyle.trace else None
        if not drawn:
            return None
        return Demonstrations(tuple(drawn), instruction, prompting.max_prompt_tokens)

    def _split(self, name: str, split: str) -> Path:
        return split_path(self.config.data.root, self.config.task[name].folder, split)

    def _place(self, benchmark: BenchmarkConfig) -> Path | None:
        root = self.config.data.suite_root
        if benchmark.source is not None:
            return source_folder(root, str(benchmark.folder))
        return None if benchmark.folder is None else rows_file(root, benchmark.folder)

    def _content(self, path: Path) -> Content:
        hashes = self.hashes
        sha = digest(hashes.folder(path)) if path.is_dir() else hashes.file(path)
        return Content(str(path), sha)


def as_benchmark(name: str, config: TaskConfig | BenchmarkConfig) -> Benchmark:
    """A task or a benchmark in the one view that scoring has. Raises ConfigError for a scorer or a
    source that cannot be imported."""
    given = {spec.name: getattr(config, spec.name) for spec in fields(config)}
    for key, kind in (("scorer", Kind.scorer), ("source", Kind.source)):
        if given.get(key) is not None:
            given[key] = Named(given[key], named_identity(given[key], key, kind))
    known = {spec.name for spec in fields(Benchmark)}
    return Benchmark(name=name, **{key: value for key, value in given.items() if key in known})


def _amount(asked: Evaluation) -> Amount:
    """How much work it is; of lm-eval's own tasks it is not known before they load."""
    benchmark, longest = asked.benchmark, asked.benchmark.max_prompt_tokens
    if asked.data is None:
        return UNKNOWN
    path = Path(asked.data.path)
    if benchmark.source is not None:
        return of_source(benchmark.source.name, path, benchmark.shots, longest)
    return of_rows(path, longest, asked.shown)
