"""What Hydra composes: the configuration with an open `method` group."""

from dataclasses import dataclass, fields
from typing import Any

from harness.config import HarnessConfig, MethodConfig
from harness.config.fields import key


def _frame() -> dict[str, Any]:
    """A method's own keys with their defaults, so that they can be overridden in any preset."""
    method = MethodConfig(name="???")
    hidden = ("name", "strategies", "edits")
    frame = {spec.name: getattr(method, spec.name) for spec in fields(method)}
    frame |= {"prompting": vars(method.prompting), "edit": vars(method.edit)}
    return {name: value for name, value in frame.items() if name not in hidden}


@dataclass
class Composed(HarnessConfig):
    """The configuration before its method is parted into a frame, strategies and edits.

    A preset names strategies, edits and aliases as it likes, so `method` is a mapping here.
    """

    method: dict[str, Any] = key(  # type: ignore[assignment]
        "the keys of MethodConfig, one mapping with _target_ per strategy or edit, and aliases",
        factory=_frame,
    )
