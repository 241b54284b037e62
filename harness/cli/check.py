"""`harness check`: does what runs need work on this machine?"""

from collections.abc import Iterator

from harness.cli.arguments import Arguments
from harness.config.machine import cpu_cores, gpu_count
from harness.errors import ConfigError
from harness.generation.vllm.environment import vllm_version
from harness.run.check.parent import check_device, check_vllm
from harness.run.check.report import Finding

_DESCRIPTION = """\
Runs what a run is made of on a small random model, in about a minute, and prints a line for each:
`ok` or `no: why`. gpu, cpu: the ranks' sums (NCCL or gloo), bf16 (on a CPU its speed), packing,
two identical trainings, the backends hf and paged. vllm: the vLLM of another python (--python)
starts, its likelihoods are those of transformers, and it answers alike twice. The exit code is 1 if
a line says no."""
PLACE = "--python"


def main(argv: list[str]) -> int:
    """Print the findings; returns 0 where all is well, 1 where something is not."""
    parser = Arguments(prog="harness check", description=_DESCRIPTION)
    parser.add_argument("what", choices=("gpu", "cpu", "vllm"), help="what to check")
    parser.add_argument("--ranks", type=int, help="ranks (gpu: one per GPU; cpu: at most two)")
    parser.add_argument(PLACE, help="vllm: the python of the environment that has it")
    options = parser.parse_args(argv)
    gpus = gpu_count()
    if options.what == "gpu" and gpus == 0:
        print("gpu: no: there is none here; `harness check cpu` checks the same with gloo")
        return 1
    if options.what == "vllm":
        return _told(_vllm(options.python, "cuda:0" if gpus else "cpu"))
    device, most = ("cuda", gpus) if options.what == "gpu" else ("cpu", cpu_cores())
    ranks = options.ranks or (most if device == "cuda" else min(2, most))
    if not 1 <= ranks <= most:
        what = "GPUs" if device == "cuda" else "CPU cores"
        raise ConfigError(f"--ranks={ranks}: use 1 to {most}, the {what} of this machine")
    return _told(check_device(device, ranks))


def _vllm(python: str | None, device: str) -> Iterator[Finding]:
    if python is None:
        raise ConfigError(
            "harness check vllm: name the python that has it, --python /path/to/python"
        )
    yield Finding("vllm", vllm_version(python, PLACE))
    yield from check_vllm(python, device)


def _told(findings: Iterator[Finding]) -> int:
    wrong = False
    for finding in findings:
        print(finding.line(), flush=True)
        wrong = wrong or finding.why is not None
    return int(wrong)
