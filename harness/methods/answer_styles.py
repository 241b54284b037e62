"""Answer-style diversification (ASD): a part of a task's rows asks for another style of answer.

"SEFE: Superficial and Essential Forgetting Eliminator for Multimodal Continual Instruction Tuning"
(arXiv 2505.02486, section 3.2): a task whose answers all have one form teaches the form as well,
and earlier tasks look forgotten where only the form has changed. Before training, `ratio` of the
task's rows, drawn by the seed, are rewritten, each into a style drawn from `styles`. The paper has
a model rewrite them (yes/no, multiple choice, word or phrase, brief and detailed explanation); the
rules here need none (harness/data/styles.py), and a class of one's own with another `rewritten` may
ask one. A row that no style fits, or that would no longer fit the task's limits, stays as it is.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from harness.config.ranges import require_choice, require_range
from harness.data.encoding import Example
from harness.data.styles import RULES, Text
from harness.errors import ConfigError
from harness.methods.base import Strategy
from harness.methods.needs import Needs
from harness.methods.stage import Phase, Stage


@dataclass
class AnswerStyles(Strategy):
    """Rewrite a part of the task's own rows.

    ratio: of the task's rows, in [0, 1]; 0 is sequential fine-tuning. The paper: 0.2.
    styles: which, among yes_no, choice, brief and sentence.
    """

    ratio: float = 0.2
    styles: list[str] = field(default_factory=lambda: list(RULES))

    def __post_init__(self) -> None:
        require_range("ratio", self.ratio, 0, 1)
        if not self.styles:
            raise ConfigError(f"styles=[]: name some of {', '.join(RULES)}")
        for style in self.styles:
            self.check_style(style)

    def needs(self) -> Needs:
        return Needs(sharp=self.ratio > 0)

    def check_style(self, style: str) -> None:
        """Raise ConfigError for a style that `rewritten` does not know."""
        require_choice("styles", style, list(RULES))

    def rewritten(
        self, style: str, row: Text, others: Sequence[str], source: Random
    ) -> Text | None:
        """Prompt and answer of a row in another style; None where it does not fit. others: the
        different answers of the task besides its own, sorted."""
        return RULES[style](*row, others, source)

    def data(self, stage: Stage, phases: list[Phase]) -> list[Phase]:
        # Rows that come back at every pass are one row; those of several tasks are told apart.
        own, texts = list({row.id: row for row in stage.own.examples}.values()), stage.texts
        found = defaultdict[str, set[str]](set)
        for row in own if self.ratio > 0 else ():
            found[row.id.task].add(texts.of(row)[1])
        answers = {task: sorted(own) for task, own in found.items()}
        source, made = stage.random("answer_styles"), {}
        for place in sorted(source.sample(range(len(own)), round(self.ratio * len(own)))):
            row = own[place]
            new = self._restyled(stage, row, answers[row.id.task], source)
            if new is not None:
                made[row.id] = new
        first = phases[0]
        mine = {id(row) for row in stage.own.examples}  # what others replay has ids of its own task
        rows = [made.get(row.id, row) if id(row) in mine else row for row in first.data.examples]
        return [Phase(type(first.data)(first.data.name, rows), first.epochs), *phases[1:]]

    def _restyled(
        self, stage: Stage, row: Example, answers: Sequence[str], source: Random
    ) -> Example | None:
        text = stage.texts.of(row)
        others = [answer for answer in answers if answer != text[1]]
        for style in source.sample(self.styles, len(self.styles)):
            found = self.rewritten(style, text, others, source)
            if found is None:
                continue
            new = stage.texts.encoded(row, *found)
            if not (new.prompt_cut or new.answer_cut):
                return new
        return None
