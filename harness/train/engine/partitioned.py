"""ZeRO 3 for a model that fits no single device: each weight is read, cut to the ranks and let go
before the next one."""

from typing import TYPE_CHECKING, Any

from harness.config import EngineConfig, TrainConfig
from harness.errors import StageFailed
from harness.train.engine.settings import deepspeed_settings

if TYPE_CHECKING:
    from harness.models.weights.stored import StoredWeights
    from harness.train.engine.ranks import Rank


def whole_size(model: Any) -> int:
    """Number of its weights, of partitioned ones too."""
    return sum(getattr(p, "ds_numel", p.numel()) for p in model.parameters())


def partition(
    model: Any, stored: "StoredWeights", engine: EngineConfig, train: TrainConfig, rank: "Rank"
) -> None:
    """Collective. Give the parameters that are on `meta` the values that `stored` has, rounded to
    their type; every rank keeps its part. The first rank reads them, DeepSpeed hands them on.
    Buffers come to the rank's device. Raises StageFailed for a parameter that `stored` has not.

    Parameters become other objects, a tied one the same in all its places.
    """
    _require_stored(model, stored)
    import deepspeed
    import torch

    settings = deepspeed_settings(engine, train, whole_size(model), rank.device)
    convert = None
    for name, old in list(model.named_parameters()):
        if not old.is_meta:
            continue
        values = torch.empty(old.shape, dtype=old.dtype, device=rank.device)
        if rank.first:
            for first, piece in stored.pieces(name):
                values.view(-1)[first : first + len(piece)].copy_(piece)
        new = torch.nn.Parameter(values, requires_grad=old.requires_grad)
        _replace(model, old, new)
        del values
        if convert is None:
            alone = torch.nn.ParameterList([new])
            deepspeed.zero.Init(module=alone, config_dict_or_path=settings, dtype=new.dtype)
            convert = new.convert_to_zero_parameters
        else:
            convert(param_list=[new])
    for buffer in model.buffers():
        buffer.data = buffer.data.to(rank.device)  # DeepSpeed moves none of a cut model


def _require_stored(model: Any, stored: "StoredWeights") -> None:
    for name, parameter in model.named_parameters():
        if parameter.is_meta and name not in stored:
            raise StageFailed(
                f"{name}: a parameter on torch's device meta that the model's files do not have; "
                "a strategy's prepare_model has to give new parameters values and keep old names"
            )


def round_the_rest(model: Any) -> None:
    """Of a model with partitioned weights DeepSpeed does not bring the others to bf16."""
    parameters = list(model.parameters())
    if any(hasattr(p, "ds_id") for p in parameters):
        for parameter in parameters:
            if not hasattr(parameter, "ds_id"):
                parameter.data = parameter.data.bfloat16()


def _replace(model: Any, old: Any, new: Any) -> None:
    for part in model.modules():
        for name, held in part._parameters.items():
            if held is old:
                part._parameters[name] = new
