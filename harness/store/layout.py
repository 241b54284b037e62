"""Names of what a store and a folder of results hold, each in one place."""

from pathlib import Path

# A store: <root>/<kind>/<key>/ holds one node.
MANIFEST = "manifest.json"
FORMAT = "format.json"  # which keys a store has; one of version 0.1 has no such file
TRANSIENT = "engine"  # optimizer state kept for the next stage only; not part of a node
MOMENTS = "moments.safetensors"  # in it
SCORES = "scores.json"  # of eval and judge nodes: a list of ScoreRow
PREDICTIONS = "predictions.jsonl"  # of eval nodes one line per item, of judge nodes one per pair
TASK = "task.yaml"  # of eval nodes of our own benchmarks: the lm-eval task
DETAILS = "details.json"  # of eval and judge nodes: what was cut, what was asked
DROPPED = "dropped.json"  # of nodes without weights: their files -> how many values each held
TRAINING = "training.json"  # of train nodes: the log of the steps, and the cost

# Beside the nodes.
RUNS = "runs"  # one record per run: its columns and cells
RUNS_READ = "readers"  # which work of each run reads which
BROKEN = "broken"  # <kind>-<key>.json: how work ended that has no result
LOGS = "logs"
LEASES = "leases"  # which processes work
LOCKS = "locks"  # on what
PARTIAL = "partial"  # what is done of unfinished work: <kind>/<key>/; and who does which part of it
CACHE = "cache"
HASHES = "hashes.json"
DATASETS = "datasets"  # what lm-eval made of local files
CONVERTED = "models"  # folders that were made of models in one file
FINISHED = "finished"  # command lines after which nothing was left to do
SUITES = "suites"  # rows that nodes have in common, and copies of the data of tasks
TOKENS = "tokens.json"
HALVINGS = "halvings.json"  # what memory was found to hold of training
JUDGE_REPLIES = "judge.sqlite"
PARTS = (RUNS, RUNS_READ, BROKEN, LOGS, LEASES, LOCKS, PARTIAL, CACHE)
TABLE = "scores.csv"  # in a folder of results


def cache_place(root: Path | str, name: str) -> Path:
    """Where a store keeps something that can be made again."""
    return Path(root) / CACHE / name
