"""The verbs of the command line: one table, of which dispatch, help and README's list are made."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verb:
    """A module of this folder whose `main` takes the words behind the verb, and what it does."""

    module: str
    line: str


VERBS = {
    "run": Verb("run", "train and score what is missing of a run (the default verb)"),
    "plan": Verb("plan", "the work of a run, what of it is done, and what is left to do"),
    "method": Verb("method", "the presets, and a preset's paper, equations and parameters"),
    "metrics": Verb("metrics", "OP, BWT and the rest from a CSV of scores"),
    "score": Verb("score", "the scores of a task for a file of predictions"),
    "tables": Verb("tables", "all tables and plots from the tidy table of scores"),
    "data": Verb("data", "check, fetch and unpack the data of a benchmark"),
    "check": Verb("check", "what works on this machine: GPUs, bf16, packing, repeatability, vLLM"),
    "prefetch": Verb("prefetch", "fetch what a run reads, for machines without network"),
    "edit": Verb("edit", "new weights from model folders: WiSE-FT, LiNeS, TIES and others"),
    "eval": Verb("eval", "score checkpoints that were trained elsewhere as stages of a sequence"),
    "frontier": Verb("frontier", "a method over its strength beside seqft over its learning rate"),
    "import": Verb("importing", "results of TRACE's reference code or of lm-eval into the table"),
    "judge": Verb("judge", "compare two files of answers by a judging model"),
    "store": Verb("store", "the runs and nodes of a store: list, check, clear, move, export"),
    "status": Verb("status", "how far all runs of a store are, what runs where, why one failed"),
    "compare": Verb("compare", "methods with a baseline: paired differences, intervals, verdicts"),
    "show": Verb("show", "prompt and answers of an item at every stage; items lost and gained"),
    "anatomy": Verb(
        "anatomy", "forgetting by item, layer, relearning, and on lines between stages"
    ),
    "report": Verb("report", "scores, runs, predictions and findings as one HTML file"),
    "trace": Verb("trace", "what stands behind a cell of a table: runs, data, versions, answers"),
    "diff": Verb("diff", "what differs between two runs: configuration, data, versions, scores"),
    "completion": Verb("completion", "what a shell needs to complete commands: bash, zsh"),
    "paper": Verb("paper", "TRACE's tables and findings, ours beside the published ones"),
}


def page() -> str:
    """The verbs for the help page, one line each."""
    return "\n".join(f"  {name:<10} {verb.line}" for name, verb in VERBS.items())


def sentence() -> str:
    """The verbs for a text: `run`, `plan`, ... and the last."""
    *others, last = (f"`{name}`" for name in VERBS)
    return f"{', '.join(others)} and {last}"
