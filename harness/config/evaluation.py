"""How a stage is scored: cells, benchmarks outside the sequence, the judge."""

from dataclasses import dataclass

from harness.config.choices import (
    Average,
    EvalBackend,
    FutureCells,
    JudgeBackend,
    PastCells,
    Side,
    Split,
    SuiteStages,
)
from harness.config.fields import EVAL, JUDGE, Section, key
from harness.config.parts import Kind


@dataclass
class EvalConfig(Section):
    backend: EvalBackend = key("what generates", EvalBackend.hf, identity=EVAL)
    vllm_python: str | None = key(
        "backend=vllm: the python of an environment that has vLLM, and need not have more", None
    )
    batch_size: int = key("most prompts that go through the model at once", 32)
    batch_tokens: int = key(
        "most tokens of a batch, answers included: rows times the longest; what is saved at a time "
        "is a batch at least",
        32768,
    )
    tokens_in_flight: int = key(
        "backend=paged, vllm: tokens asked at once, answers included; what is saved at a time",
        262144,
    )
    beside: int = key(
        "ranks of their own that score finished stages while the next one trains; on GPUs as many "
        "more devices; 0 = the ranks that train score, too",
        0,
    )
    split: Split = key("which split of the tasks is scored", Split.test, identity=EVAL)
    allow_eval_equals_test: bool = key(
        "score eval although its prompts are test prompts (a choice made there is made on test)",
        False,
    )
    limit: int | None = key("first so many items of every task and subtask; null = all", None)
    max_answer_tokens: int | None = key(
        "most tokens generated for every task of the sequence; null = the task's cap", None
    )
    temperature: float = key(
        "of the tasks and of judged benchmarks: 0 = greedy; above = sampling", 0.0
    )
    suite_temperature: float = key("of the other benchmarks", 0.0)
    stage0: bool = key("also score the initial model (row 0)", True)
    past: PastCells = key("cells of tasks trained before", PastCells.all)
    future: FutureCells = key("cells of tasks still to come", FutureCells.none)
    suite_stages: SuiteStages = key("stages at which suites are scored", SuiteStages.all)


@dataclass
class BenchmarkConfig(Section):
    folder: str | None = key(
        "folder with the benchmark's files, below data.suite_root or absolute", None
    )
    source: str | None = key(
        "reader of a publisher's files: a name, or the dotted path of read(folder, shots); "
        "null = a test.json and a scorer",
        None,
        identity=EVAL,
        part=Kind.source,
    )
    lm_eval_task: str | None = key(
        "name of a task, group or tag that ships with lm-eval", None, identity=EVAL
    )
    scorer: str | None = key(
        "scorer of a test.json: a name or a dotted path", None, identity=EVAL, part=Kind.scorer
    )
    headline: str = key("the metric that the suite's delta uses", "???")
    filter: str = key("lm-eval filter of the headline metric", "none")
    max_prompt_tokens: int | None = key(
        "longest prompt generated for, cut on the left; null = the context less the answer",
        1024,
        identity=EVAL,
    )
    max_answer_tokens: int = key("most tokens generated", 64, identity=EVAL)
    shots: int = key("demonstrations in the prompt (source, lm_eval_task)", 0, identity=EVAL)
    average: Average = key(
        "how the scores of its subtasks become the benchmark's",
        Average.subtasks,
        identity=EVAL,
    )
    limit: int | None = key(
        "first so many items only, of every subtask; null = eval.limit", None, identity=EVAL
    )
    unit: str = key("unit of the headline metric; deltas average one unit", "score")
    side: Side | None = key(
        "a table gives a delta for each side of a suite; null = the suite has one",
        None,
    )
    judged: str | None = key(
        "helpful | harmless: the rubric by which a judge compares its answers with stage 0's", None
    )
    version: int = key("raise it when prompts, scoring or generation change", 1, identity=EVAL)


@dataclass
class SuiteConfig(Section):
    benchmarks: dict[str, BenchmarkConfig] = key("benchmark name -> what it is", factory=dict)


@dataclass
class JudgeConfig(Section):
    backend: JudgeBackend = key(
        "who judges",
        JudgeBackend.none,
        identity=JUDGE,
    )
    base_url: str | None = key("the endpoint, up to /v1", None)
    model: str = key("name of the judging model; local: a folder or hub id", "", identity=JUDGE)
    revision: str | None = key("local: hub revision", None, identity=JUDGE)
    plain_http: bool = key(
        "send the key unencrypted (http) to another machine, on a network that is yours", False
    )
    key_variable: str = key("environment variable that holds the key", "JUDGE_API_KEY")
    temperature: float = key("0 = greedy", 0.0, identity=JUDGE)
    max_tokens: int = key("most tokens of a judgement", 512, identity=JUDGE)
    workers: int = key("requests at once", 8)
    requests_per_minute: float | None = key("most requests per minute; null = no limit", None)
    timeout_seconds: float = key("longest wait for a reply", 120.0)
    attempts: int = key("tries of a request that fails", 6)
    backoff_seconds: float = key("first pause after a failure; it doubles, with jitter", 1.0)
    malformed_retries: int = key("further tries of a reply without a verdict", 2, identity=JUDGE)
    resample_temperature: float = key(
        "of stage 0's second answers, which the judge compares with its first (A/A run)",
        0.7,
        identity=JUDGE,
    )
    price_prompt: float = key("price of a million prompt tokens, in your currency", 0.0)
    price_completion: float = key("price of a million generated tokens", 0.0)
    cache: str | None = key("SQLite file of replies; null = in the store", None)
