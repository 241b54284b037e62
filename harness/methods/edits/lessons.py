"""What an edit learns from besides weights: rows of its models' tasks, and the models themselves.

One whole model is in memory at a time, in fp32 and without dropout; what is measured of each waits
in a file until its weights are merged.
"""

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config import HarnessConfig, Quantization
from harness.data.batches import MicroBatch, pad
from harness.data.encoding import Example
from harness.data.randomness import derive_seed
from harness.errors import DataError
from harness.methods.edits.base import Models
from harness.store.records import Lesson

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter


@dataclass
class Lessons:
    """rows: of each tuned model's task, encoded. load: the model of a folder, on `device`, ready to
    be asked. scratch: a folder for what has to wait. pad_token_id: any id; it is masked.
    """

    base: Path
    tuned: Sequence[Path]
    rows: Sequence[Sequence[Example]]
    load: Callable[[Path], Any]
    scratch: Path
    device: str = "cpu"
    pad_token_id: int = 0

    def some(self, number: int, count: int, seed: int) -> list[Example]:
        """At most `count` rows of the task of tuned model `number`, in their order; the same for
        every model of that task."""
        rows = self.rows[number]
        source = random.Random(derive_seed("edit rows", seed, rows[0].id.task))
        return [rows[i] for i in sorted(source.sample(range(len(rows)), min(count, len(rows))))]

    def batch(self, examples: Sequence[Example]) -> MicroBatch:
        """Padded rows on the device."""
        return pad(examples, self.pad_token_id).to(self.device)

    def keep(self, number: int, measured: "dict[str, Tensor]") -> None:
        """Put by what was measured of tuned model `number`, by names of weights."""
        from harness.models.weights.tensor_file import spec_of, write_tensors

        specs = {name: spec_of(tensor) for name, tensor in measured.items()}
        write_tensors(self._place(number), specs, measured.__getitem__)

    def kept(self, name: str) -> "list[Tensor] | None":
        """What was measured of a weight in every model; None where nothing was."""
        from harness.models.weights.headers import read_specs
        from harness.models.weights.tensor_file import read_tensor

        places = [self._place(number) for number in range(len(self.tuned))]
        if name not in read_specs(places[0]):
            return None
        return [read_tensor(place, name) for place in places]

    def _place(self, number: int) -> Path:
        return self.scratch / f"measured.{number}.safetensors"


def weights_of(model: Any, models: Models, folder: Path) -> "dict[str, Parameter]":
    """The weights of a loaded model under the names that its files have. Raises DataError where
    they have others (transformers converts some models as it loads them)."""
    weights = dict(model.named_parameters())
    unknown = next((name for name in weights if name not in models.sizes), None)
    if unknown is not None:
        raise DataError(
            f"{folder}: no file holds {unknown}, which the loaded model has: it is converted as it "
            "is loaded, and what is learned of it fits no weight of the files; merge without rows"
        )
    return weights


@contextmanager
def lessons(
    config: HarnessConfig,
    asked: Sequence[Lesson],
    base: Path,
    tuned: Sequence[Path],
    device: str,
    folder: Path,
) -> Iterator[Lessons]:
    """The rows of `asked` and the models of a run, for as long as the context lasts; what waits
    lies in `folder` meanwhile."""
    from harness.data.task_data import load_task_data
    from harness.models.adapters.stages import load_stage
    from harness.models.loading import load_prompts

    model = replace(config.model, quantization=Quantization.none)
    prompts = load_prompts(model, base)
    rows = [
        load_task_data(one.name, Path(one.data.path), one.task, prompts).examples for one in asked
    ]

    def load(place: Path) -> Any:
        return load_stage(model, place, "fp32", device).to(device).eval()

    with tempfile.TemporaryDirectory(prefix=".lessons.", dir=folder) as scratch:
        yield Lessons(base, tuned, rows, load, Path(scratch), device, prompts.eos_token_id)
