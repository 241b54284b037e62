"""Apply an edit to model folders: stream the weights through it into a new, complete folder."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config.plain import plain_identity
from harness.errors import ConfigError, DataError
from harness.methods.edits.base import Edit
from harness.store.files import write_json

if TYPE_CHECKING:
    from torch import Tensor

    from harness.models.weights.model_set import ModelSet


SHARD_BYTES = 5_000_000_000
RECORD = "edit.json"
TYPES = {"fp32": "F32", "bf16": "BF16", "fp16": "F16"}
Progress = Callable[[int, int], None]  # weights done, weights in all (a pass counts each once)


def apply_edit(
    edit: Edit,
    base: Path,
    tuned: list[Path],
    out: Path,
    progress: Progress | None = None,
    *,
    dtype: str | None = None,
    shard_bytes: int = SHARD_BYTES,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write the edited model to `out`, a whole folder or nothing; returns a report (plain JSON).

    tuned: model folders, or PEFT folders of LoRA adapters on `base`.
    dtype: fp32, bf16 or fp16; by default each weight has the widest type that the models store it
        in (an adapter's factors do not count). The arithmetic is float32, rounded once at the end.
    Raises ConfigError or DataError before anything is written where the input cannot be edited.
    """
    from harness.models.weights.model_set import ModelSet
    from harness.models.weights.writing import check_output
    from harness.store.folders import appearing

    edit.check_count(len(tuned))
    edit.check_folders()
    if dtype is not None and dtype not in TYPES:
        raise ConfigError(f"dtype={dtype}: it must be one of {', '.join(TYPES)}")
    if shard_bytes <= 0:
        raise ConfigError(f"shard_bytes={shard_bytes}: it must be above 0")
    check_output(out, [base, *tuned], overwrite)
    ModelSet(base, tuned)
    with appearing(out) as folder:
        report = write_edit(edit, base, tuned, folder, progress, dtype, shard_bytes)
    return report | {"out": str(out)}


def write_edit(
    edit: Edit,
    base: Path,
    tuned: list[Path],
    folder: Path,
    progress: Progress | None = None,
    dtype: str | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> dict[str, Any]:
    """Fill an existing folder with the edited model and `edit.json`; returns a report."""
    from harness.models.weights.model_set import ModelSet

    def write(models: list[Path], place: Path, shown: Progress | None) -> dict[str, Any]:
        opened = ModelSet(base, models, TYPES[dtype] if dtype else None)
        return _stream(edit, opened, place, shown or (lambda done, total: None), shard_bytes)

    @contextmanager
    def trial(models: list[Path]) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix=".trial.", dir=folder) as place:
            write(models, Path(place), None)
            yield Path(place)

    chosen, choice = edit.select(tuned, trial)
    report = {
        "edit": plain_identity(edit),
        "base": str(base),
        "tuned": [str(path) for path in chosen],
        "told": choice,
    }
    written = write(chosen, folder, progress)
    report["told"] = choice | written.pop("told")
    write_json(folder / RECORD, report)
    return report | written | {"peak_memory_bytes": peak_memory()}


def peak_memory() -> int:
    """Most bytes that this process ever had in memory (Linux; getrusage would count those of the
    process that started it)."""
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)


def _stream(
    edit: Edit, models: "ModelSet", folder: Path, progress: Progress, shard_bytes: int
) -> dict[str, Any]:
    """Prepare, merge and write; each weight of each model is in memory only for its own turn."""
    from harness.models.weights.writing import copy_companions, write_weights

    total = sum(models.sizes.values()) * (1 + edit.passes(models.count))
    done = 0

    def advance(elements: int) -> None:
        nonlocal done
        done += elements
        progress(done, total)

    def merged(name: str) -> "Tensor | Iterator[Tensor]":
        return edited(name) if name in models.sizes else models.base.read(name)

    def edited(name: str) -> "Iterator[Tensor]":
        weights = models.stored(name)
        edit.survey(name, _Parts(weights, edit.by_parts()))
        for base, tuned in _Parts(weights, edit.by_parts()):
            result = edit.merge(name, base, tuned)
            if not _finite(result):
                inputs = zip([models.base, *models.tuned], [base, *tuned], strict=True)
                bad = [model.folder for model, weight in inputs if not _finite(weight)]
                held = f"{name} of the edited model would hold"
                whose = f"{bad[0]}: {name} holds" if bad else held
                raise DataError(f"{whose} values that are not finite numbers")
            yield result

    models.on_read = advance
    told = edit.prepare(models)
    files = write_weights(folder, models.specs, merged, shard_bytes)
    sources = [models.tuned[0].folder, models.base.folder]
    copy_companions(sources, folder, _main_type(models))
    return {
        "told": told,
        "tensors": len(models.specs),
        "files": files,
        "bytes": sum(spec.bytes for spec in models.specs.values()),
        "warnings": models.warnings,
    }


@dataclass(frozen=True)
class _Parts:
    """A weight of all models in float32, part by part or in one; read through any number of
    times."""

    weights: "list[Tensor]"
    flat: bool

    def __iter__(self) -> "Iterator[tuple[Tensor, list[Tensor]]]":
        from harness.models.weights.tensor_file import spans

        if not self.flat:
            base, *tuned = (weight.float() for weight in self.weights)
            yield base, tuned
            return
        flat = [weight.reshape(-1) for weight in self.weights]
        for start, stop in spans(0, flat[0].numel()):
            base, *tuned = (weight[start:stop].float() for weight in flat)
            yield base, tuned


def _finite(weight: "Tensor") -> bool:
    """Are all values numbers? Without a second tensor of its size."""
    return weight.numel() == 0 or all(end.isfinite() for end in weight.aminmax())


def _main_type(models: "ModelSet") -> str:
    """The type that most of the weights are stored in."""
    elements: dict[str, int] = {}
    for name, size in models.sizes.items():
        kind = models.specs[name].dtype
        elements[kind] = elements.get(kind, 0) + size
    return max(elements, key=lambda kind: elements[kind])
