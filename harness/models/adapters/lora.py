"""LoRA as PEFT makes and stores it: a layer's weight W becomes W + scaling * B A.

Whoever works on an adapter's parameters asks here which they are.
"""

import json
import os
import re
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from harness.config import AdapterConfig
from harness.errors import ConfigError, StageFailed
from harness.models.family import CAUSAL, Family
from harness.models.folders import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    NOT_PLAIN,
    require_no_experts,
)
from harness.models.weights.headers import TensorSpec, read_specs
from harness.store.files import write_json

_SETS = ("target_modules", "exclude_modules")  # of an adapter's description
_FACTOR = re.compile(r"\.lora_(?:embedding_)?([AB])(?:\.|$)")


def factor_of(name: str) -> str | None:
    """Which factor a parameter or module is, by its path: "A" ([rank, inputs]) or "B" ([outputs,
    rank]); None for one that is no adapter's."""
    found = _FACTOR.search(name)
    return found[1] if found else None


def partner_of(name: str) -> str:
    """The other factor of the same layer, by the path of one that is a factor."""
    found = _FACTOR.search(name)
    other = {"A": "B", "B": "A"}[found[1]]
    return name[: found.start(1)] + other + name[found.end(1) :]


def is_adapted(model: Any) -> bool:
    """True for a module with an adapter."""
    return hasattr(model, "peft_config")


def is_exported(model: Any, name: str, parameter: Any) -> bool:
    """Is a parameter written when its model is? Of a model with an adapter the adapter is, trained
    or not, and what else is trained."""
    return not is_adapted(model) or parameter.requires_grad or factor_of(name) is not None


def adapted_layer(model: Any, name: str) -> Any | None:
    """The layer to whose output the module of this name adds as its factor B, which is W + scaling
    * B A as a whole; None where the module is no factor B."""
    if factor_of(name) != "B":
        return None
    return model.get_submodule(name[: _FACTOR.search(name).start()])


def new_adapter(base: Any, adapter: AdapterConfig, family: Family = CAUSAL) -> Any:
    """A fresh adapter; its product is zero, so the model is the base model at first."""
    from peft import LoraConfig, get_peft_model

    targets = family.layers(adapter.targets)
    try:  # of a model of the hub it was not known before it was fetched
        require_no_experts(targets, getattr(base.config, "to_dict", dict)(), "the model")
    except ConfigError as error:
        raise StageFailed(str(error)) from None
    lora = LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        lora_dropout=adapter.dropout,
        target_modules="all-linear" if targets == ["all-linear"] else targets,
        task_type=family.adapter_task,
    )
    try:
        return get_peft_model(base, lora)
    except ValueError as error:
        raise StageFailed(f"method.adapter.targets={targets}: {error}") from error


def load_adapter(base: Any, source: Path | str, trainable: bool) -> Any:
    """The adapter of a stage's folder on its base model. Raises StageFailed where its files hold
    more than tensors: peft reads them with torch's restricted reader."""
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(base, str(source), is_trainable=trainable)
    except UnpicklingError:
        raise StageFailed(f"{source}: {NOT_PLAIN}") from None


def merged(base: Any, source: Path | str) -> Any:
    """The base model with the adapter of a folder added to its weights."""
    return load_adapter(base, source, trainable=False).merge_and_unload(safe_merge=True)


def combine(before: Path, folder: Path) -> None:
    """Make the adapter in `folder` the sum of itself and the one in `before`: the earlier rows of A
    and columns of B come before its own. The scaling alpha / r stays, so that the product is the
    sum of both updates. Raises StageFailed where they adapt different layers."""
    import torch

    from harness.models.weights.tensor_file import read_tensor, write_tensors

    file, earlier = folder / ADAPTER_WEIGHTS, before / ADAPTER_WEIGHTS
    specs, old = read_specs(file), read_specs(earlier)
    if set(old) != set(specs):
        raise StageFailed(f"{folder}: its adapter has other layers than the one of {before}")

    def stacked(name: str) -> Any:
        both = [read_tensor(earlier, name), read_tensor(file, name)]
        return torch.cat(both, dim=_rank_dimension(name))

    wanted = {name: _sum_of_ranks(name, old[name], spec) for name, spec in specs.items()}
    beside = file.with_suffix(".stacked")
    write_tensors(beside, wanted, stacked)
    os.replace(beside, file)
    _add_rank(before / ADAPTER_CONFIG, folder / ADAPTER_CONFIG)


def order_names(folder: Path) -> None:
    """Have the description of an adapter name modules in one order: PEFT keeps them in sets, of
    which another process tells in another one, and the same stage has the same bytes."""
    path = folder / ADAPTER_CONFIG
    config = json.loads(path.read_text())
    listed = {name: sorted(config[name]) for name in _SETS if isinstance(config.get(name), list)}
    write_json(path, config | listed)


def _rank_dimension(name: str) -> int:
    return 0 if factor_of(name) == "A" else 1


def _sum_of_ranks(name: str, old: TensorSpec, new: TensorSpec) -> TensorSpec:
    shape, dimension = list(new.shape), _rank_dimension(name)
    shape[dimension] += old.shape[dimension]
    return TensorSpec(new.dtype, tuple(shape))


def _add_rank(before: Path, path: Path) -> None:
    config = json.loads(path.read_text())
    scale = config["lora_alpha"] / config["r"]
    config["r"] += json.loads(before.read_text())["r"]
    config["lora_alpha"] = scale * config["r"]
    write_json(path, config)
