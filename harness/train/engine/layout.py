"""Where DeepSpeed keeps the fp32 master weights and the reduced gradients at each ZeRO stage.

The only module that reads DeepSpeed's internals for this purpose; strategies see
`harness.methods.view`. ZeRO 0 replicates whole parameters, ZeRO 1 and 2 cut one flat buffer over
all parameters into equal parts (so that a parameter may lie on several ranks, in uneven pieces),
ZeRO 3 cuts every parameter into equal parts. A rank holds at most one contiguous piece of a
parameter.
"""

from typing import Any, Protocol

from harness.config import EngineConfig, Offload


class Layout(Protocol):
    """One ZeRO stage. Pieces are flat; a parameter is always one that is trained."""

    replicated: bool  # does every rank hold every element?

    def span(self, parameter: Any) -> tuple[int, int] | None:
        """[start, stop) of this rank's piece in the flattened parameter; None where it has none."""

    def weight(self, parameter: Any) -> Any:
        """The piece's fp32 master, [stop - start]: DeepSpeed's own memory, writable. It may lie in
        host memory."""

    def stepped(self, parameter: Any) -> tuple[Any, int]:
        """What Adam steps and keeps moments of in the piece's place, and the piece's first element
        in it, flattened; of a parameter of which this rank has a piece."""

    def gradient(self, parameter: Any) -> Any:
        """The piece's reduced, unclipped gradient, [stop - start]; between backward and step."""

    def set_gradient(self, parameter: Any, value: Any) -> None:
        """Replace it."""

    def refresh(self) -> None:
        """Make the weights of the forward pass those of the masters, on all ranks together."""

    def clear_gradients(self) -> None:
        """Forget what backward accumulated."""


def layout_of(deepspeed: Any, engine: EngineConfig) -> Layout:
    """The layout of a running DeepSpeed engine."""
    if engine.zero_stage == 0:
        return WholeLayout(deepspeed)
    if engine.zero_stage == 3:
        return PartitionLayout(deepspeed)
    return FlatLayout(deepspeed) if engine.offload is Offload.none else HostLayout(deepspeed)


class WholeLayout:
    """ZeRO 0 in fp32: parameters are the masters, `grad` is reduced on the last micro-batch."""

    replicated = True

    def __init__(self, deepspeed: Any) -> None:
        self._module = deepspeed.module

    def span(self, parameter: Any) -> tuple[int, int] | None:
        return 0, parameter.numel()

    def weight(self, parameter: Any) -> Any:
        return parameter.data.view(-1)

    def stepped(self, parameter: Any) -> tuple[Any, int]:
        return parameter, 0

    def gradient(self, parameter: Any) -> Any:
        if parameter.grad is None:
            return parameter.new_zeros(parameter.numel())
        return parameter.grad.reshape(-1)

    def set_gradient(self, parameter: Any, value: Any) -> None:
        parameter.grad = value.view(parameter.shape).to(parameter.dtype)

    def refresh(self) -> None:
        pass

    def clear_gradients(self) -> None:
        self._module.zero_grad()


class FlatLayout:
    """ZeRO 1 and 2: `_hp_mapping` ties a parameter to its fragment of the rank's flat buffers."""

    replicated = False

    def __init__(self, deepspeed: Any) -> None:
        self._module, self._optimizer = deepspeed.module, deepspeed.optimizer

    def span(self, parameter: Any) -> tuple[int, int] | None:
        if parameter._hp_mapping is None:
            return None
        address = parameter._hp_mapping.lp_fragment_address
        return address.start, address.start + address.numel

    def weight(self, parameter: Any) -> Any:
        return parameter._hp_mapping.get_hp_fragment().data

    def stepped(self, parameter: Any) -> tuple[Any, int]:
        mapping = parameter._hp_mapping
        flat = self._optimizer.single_partition_of_fp32_groups[mapping.param_group_index]
        return flat, mapping.get_hp_fragment_address().start

    def gradient(self, parameter: Any) -> Any:
        return self._fragment(parameter).reshape(-1)

    def set_gradient(self, parameter: Any, value: Any) -> None:
        fragment = self._fragment(parameter)
        fragment.copy_(value.view(fragment.shape))

    def refresh(self) -> None:
        self._optimizer.update_lp_params()

    def clear_gradients(self) -> None:
        """zero_grad alone leaves the averaged gradients, to which fp32 accumulation would add."""
        self._optimizer.zero_grad()
        self._module.zero_grad()
        self._optimizer._release_preflattened_grad_buffers()
        for group in self._optimizer.averaged_gradients:
            self._optimizer.averaged_gradients[group] = None
            self._optimizer.all_grad_tensors[group] = None

    @staticmethod
    def _fragment(parameter: Any) -> Any:
        mapping = parameter._hp_mapping
        fragment = mapping.get_lp_grad_fragment(parameter._index_in_param_group)
        if fragment.numel() != mapping.lp_fragment_address.numel:
            raise RuntimeError("DeepSpeed's gradient fragment does not match its master's")
        return fragment.data


class HostLayout(FlatLayout):
    """ZeRO 1 and 2 with masters, moments and reduced gradients in host memory.

    DeepSpeed measures a gradient when it copies it to the host, before it can be edited.
    """

    def set_gradient(self, parameter: Any, value: Any) -> None:
        super().set_gradient(parameter, value)
        number = self._optimizer.get_param_id(parameter)
        self._optimizer.norm_for_param_grads[number] = self._fragment(parameter).double().norm()

    def clear_gradients(self) -> None:
        """The host's buffers keep what no later gradient overwrites, and backward passes add to
        what earlier ones of the step left."""
        super().clear_gradients()
        self._optimizer.micro_step_id = -1
        self._optimizer.norm_for_param_grads.clear()
        for masters in self._optimizer.single_partition_of_fp32_groups:
            masters.grad.zero_()


class PartitionLayout:
    """ZeRO 3: rank r holds elements [r n, (r + 1) n) of each parameter, the last ones padded."""

    replicated = False

    def __init__(self, deepspeed: Any) -> None:
        import torch.distributed as dist

        self._module, self._optimizer = deepspeed.module, deepspeed.optimizer
        self._rank = dist.get_rank()

    def span(self, parameter: Any) -> tuple[int, int] | None:
        width = parameter.ds_tensor.ds_numel
        start, stop = self._rank * width, min((self._rank + 1) * width, parameter.ds_numel)
        return (start, stop) if start < stop else None

    def weight(self, parameter: Any) -> Any:
        # Of `get_local_fp32_param` one gets a copy where masters lie in host memory.
        partition, _ = self._optimizer._get_fp32_opt_state_partition(parameter, True)
        return partition.data[: self._length(parameter)]

    def stepped(self, parameter: Any) -> tuple[Any, int]:
        optimizer = self._optimizer
        group, first, _ = optimizer.grad_position[optimizer.get_param_id(parameter)]
        return optimizer.fp32_partitioned_groups_flat[group], first

    def gradient(self, parameter: Any) -> Any:
        return self._partition(parameter)[: self._length(parameter)]

    def set_gradient(self, parameter: Any, value: Any) -> None:
        partition = self._partition(parameter).clone()
        partition[: self._length(parameter)] = value
        self._optimizer.set_local_grad_for_param(partition, parameter)

    def refresh(self) -> None:
        """As the end of DeepSpeed's step: masters to partitions, persistent parameters whole."""
        optimizer = self._optimizer
        optimizer._partition_all_parameters()
        for group in range(len(optimizer.fp16_groups)):
            optimizer._reassign_or_swap_out_partitioned_parameters(group)
        if optimizer.persistent_parameters:
            kept = optimizer.persistent_parameters
            kept[0].all_gather(kept)

    def clear_gradients(self) -> None:
        self._optimizer.zero_grad()
        self._module.zero_grad()

    def _partition(self, parameter: Any) -> Any:
        return self._optimizer.get_local_fp32_grad_for_param(parameter).data.view(-1)

    def _length(self, parameter: Any) -> int:
        start, stop = self.span(parameter) or (0, 0)
        return stop - start
