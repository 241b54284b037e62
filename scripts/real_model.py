"""Every method with a real model, one after the other, over days and machines.

`python scripts/real_model.py [overrides]` runs the jobs below (experiment=trace500_smollm2), the
overrides with each; the rows of one that completes are added to results/smollm2/scores.csv, and the
tables beside it written anew (see keeping/study.py).
"""

from pathlib import Path

from keeping.jobs import Job
from keeping.study import Study, as_command, key_of

from harness.config.compose.compose import compose_job

EXPERIMENT = "trace500_smollm2"
STEPS = "train.max_steps"

# Six solved rows in a prompt of a thousand tokens. A second seed of icl would be the first once
# more: what it draws hangs on method.prompting.seed, which makes a method of its own in the tables.
ICL = ("method.prompting.max_prompt_tokens=1024",)
BASELINES = ("seqft", "lora_seqft", "replay")
JOBS = (
    Job("icl", words=ICL),
    *(Job(method) for method in BASELINES),
    *(Job(method) for method in ("sfa", "ewc", "hft", "migu", "seqft+wise_ft", "seqft+lines")),
    Job("single"),
    Job("joint"),
    *(Job(method, 1) for method in BASELINES),
    *(Job(method) for method in ("ties", "task_arithmetic")),
)


def words(job: Job, overrides: list[str]) -> list[str]:
    """A job's command line; joint training takes the steps of all tasks."""
    own = [f"experiment={EXPERIMENT}", *job.overrides(), f"seed={job.seed}"]
    if job.method != "joint":
        return [*own, *overrides]
    config = compose_job([f"experiment={EXPERIMENT}", *overrides])
    if config.train.max_steps is None:
        return [*own, *overrides]
    others = [word for word in overrides if key_of(word) != STEPS]
    return [*own, *others, f"{STEPS}={config.train.max_steps * len(config.task)}"]


STUDY = Study("scripts/real_model.py", EXPERIMENT, Path("results/smollm2"), JOBS, words)

if __name__ == "__main__":
    as_command(STUDY.main)
