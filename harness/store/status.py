"""The words for how far a run, a job of a sweep or a score is."""

from harness.config.choices import Choice


class Status(Choice):
    """What can be said of a run; of a score in a table that it is done, diverged or failed."""

    done = "done", "all its scores are there"
    running = "running", "a process works on it"
    diverged = "diverged", "a stage's loss was no number, or above train.loss_bound"
    failed = "failed", "its last command ended with an error"
    interrupted = "interrupted", "begun, and nobody works on it"
    missing = "missing", "nothing that it alone uses is there"
    skipped = "skipped", "a job of a sweep that was left out (sweep.skip_invalid)"
