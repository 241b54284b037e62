"""ASD (arXiv 2505.02486) with one style: half of the rows ask for a sentence, where that fits."""

import random

from plain import Reference, Rows, Run

from harness.data.randomness import derive_seed


class Sentences(Reference):
    def rows(self, run: Run) -> Rows:
        source = random.Random(derive_seed("answer_styles", 0, run.task))
        chosen = source.sample(range(len(run.own)), round(0.5 * len(run.own)))
        return [self.asked(run, r) if i in chosen else r for i, r in enumerate(run.own)]

    def asked(self, run: Run, row: dict[str, str]) -> dict[str, str]:
        prompt = f"Answer in a whole sentence.\n{row['prompt']}"
        answer = f"The answer is {row['answer']}."
        long = len(run.tokenizer(prompt)["input_ids"]) > 64
        long = long or len(run.tokenizer(answer)["input_ids"]) + 1 > 32
        long = long or len(row["answer"].split()) > 6
        return row if long else {"prompt": prompt, "answer": answer}
