"""What DeepSpeed keeps of an engine after its `destroy`."""


def forget_partitioned_modules() -> None:
    """ZeRO 3: empty the two places of the package that refer to modules for good, its stack of
    modules that run forward and the cache of a method; put PyTorch's own `linear` back, in whose
    place its own stays. No engine may be running."""
    import torch
    from deepspeed.runtime.zero import parameter_offload
    from deepspeed.runtime.zero.partition_parameters import (
        InsertPostInitMethodToModuleSubClasses as Init,
    )
    from deepspeed.runtime.zero.partitioned_param_coordinator import (
        PartitionedParameterCoordinator as Coordinator,
    )

    parameter_offload.FWD_MODULE_STACK.clear()
    wrapped = vars(Coordinator)["_PartitionedParameterCoordinator__params_to_release"]
    for cell in wrapped.__closure__:
        if hasattr(cell.cell_contents, "cache_clear"):
            cell.cell_contents.cache_clear()
    if hasattr(Init, "linear_bk"):
        torch.nn.functional.linear = Init.linear_bk
