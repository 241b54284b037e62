"""The python that has vLLM: is it there, and does it have it? Imports no torch."""

import os
import shutil
import subprocess

from harness.config import Attention, EvalBackend, HarnessConfig, Quantization
from harness.errors import ConfigError, mistakes_of

PLACE = "eval.vllm_python"
PROBE = "from importlib.metadata import version; print(version('vllm'))"
PROBE_SECONDS = 60.0
# What another environment, or another group of processes, must not inherit.
OURS = (
    "PYTHONPATH",
    "PYTHONHOME",
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
)


def backend_mistakes(config: HarnessConfig) -> list[str]:
    """What is wrong with `eval.backend` and what it needs, a line each."""
    asked, attention = config.eval, config.model.attention
    if asked.backend is EvalBackend.paged and attention is Attention.flex_attention:
        return [f"eval.backend=paged: it has no model.attention={attention}; use sdpa"]
    if asked.backend is not EvalBackend.vllm:
        return []
    quantized = config.model.quantization
    if quantized is not Quantization.none:
        return [f"eval.backend=vllm: not with model.quantization={quantized}; use eval.backend=hf"]
    if asked.vllm_python is None:
        return [
            f"eval.backend=vllm: {PLACE} is not set; name the python of an environment with vLLM"
        ]
    return mistakes_of(lambda: vllm_version(asked.vllm_python or "", PLACE))


def vllm_version(python: str, place: str) -> str:
    """The version of vLLM that a python has; loads nothing. `place` names the python.

    Raises ConfigError where there is no such python, or no vLLM in it.
    """
    if shutil.which(python) is None:
        raise ConfigError(
            f"{place}: there is no program {python}; name a python, for example "
            "/path/to/venv/bin/python"
        )
    try:
        done = subprocess.run(
            [python, "-c", PROBE],
            capture_output=True,
            text=True,
            check=False,
            timeout=PROBE_SECONDS,
            env=environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{place}: {python} does not run as a python ({error})") from error
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it wrote nothing"]
        if "PackageNotFoundError" in said[-1]:
            raise ConfigError(f"{place}: {python} has no vllm; install it there (pip install vllm)")
        raise ConfigError(f"{place}: {python} does not run as a python ({said[-1].strip()})")
    return done.stdout.strip()


def environment(device: str = "cpu") -> dict[str, str]:
    """The environment of a process of that python, which sees one device: 'cpu', 'cuda:1'."""
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    return kept | {"CUDA_VISIBLE_DEVICES": _visible(device)}


def _visible(device: str) -> str:
    """What CUDA calls a device of this process, which may itself see a few of the machine's."""
    if not device.startswith("cuda"):
        return ""
    index = int(device.partition(":")[2] or 0)
    seen = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return seen[index] if index < len(seen) else str(index)
