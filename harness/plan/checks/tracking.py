"""Can the trackers of `tracking` be reached: their packages, and the keys that they need?"""

import netrc
import os
from collections.abc import Iterator
from importlib.util import find_spec
from urllib.parse import urlparse

from harness.config import HarnessConfig
from harness.config.choices import Tracker

_WITHOUT_KEY = ("offline", "disabled", "dryrun")  # values of WANDB_MODE
_HOSTS = ("api.wandb.ai", "api.forge.coreweave.com")  # of its versions


def tracking_mistakes(config: HarnessConfig) -> list[str]:
    """A line for each that lacks something; opens no connection and imports none of them."""
    return [line for name in dict.fromkeys(config.tracking) for line in _lacking(name)]


def _lacking(name: Tracker) -> Iterator[str]:
    if find_spec(name) is None:
        yield (
            f"tracking=[{name}]: the package {name} is not installed; "
            f"pip install 'trace-harness[{name}]'"
        )
    elif name is Tracker.wandb and not _wandb_key():
        yield (
            "tracking=[wandb]: there is no key; set WANDB_API_KEY (or `wandb login`), or "
            "WANDB_MODE=offline to keep the runs on this machine"
        )
    elif name is Tracker.trackio and os.environ.get("TRACKIO_SPACE_ID") and not _hub_token():
        yield (
            "tracking=[trackio]: TRACKIO_SPACE_ID is set, but there is no key; set HF_TOKEN (or "
            "`hf auth login`)"
        )


def _wandb_key() -> bool:
    """Is there one, or is none needed?"""
    told = os.environ
    if told.get("WANDB_MODE") in _WITHOUT_KEY or told.get("WANDB_API_KEY"):
        return True
    host = urlparse(told.get("WANDB_BASE_URL", "")).hostname
    try:
        known = netrc.netrc(told.get("NETRC")).hosts
        return any(name in known for name in ((host,) if host else _HOSTS))
    except (OSError, netrc.NetrcParseError):
        return False


def _hub_token() -> bool:
    from huggingface_hub import get_token

    return get_token() is not None
