"""What memory was found to hold of training: how often the tokens of a pass are halved, remembered
in the cache of a store for whatever trains a like model in a like way."""

import hashlib
import json
from contextlib import suppress

from harness.config import HarnessConfig
from harness.config.devices import device_name
from harness.config.machine import machine
from harness.config.plain import plain
from harness.store.files import write_json
from harness.store.layout import HALVINGS, cache_place
from harness.store.store import Store

_ENGINE = ("zero_stage", "precision", "offload", "gradient_checkpointing", "tf32")
_TRAIN = ("batch_size", "micro_batch_size", "packing", "pack_tokens", "loss_norm")


def known_halvings(config: HarnessConfig, store: Store) -> int:
    """How often they were halved by the last launch that found memory too small, 0 for never."""
    return _all(store).get(_fit(config), 0)


def note_halvings(config: HarnessConfig, store: Store, count: int) -> None:
    """Remember that memory holds no more than this."""
    told = _all(store)
    told[_fit(config)] = max(count, told.get(_fit(config), 0))
    write_json(cache_place(store.root, HALVINGS), told)


def most_halvings(config: HarnessConfig) -> int:
    """How often there is anything to halve: a pass has one token then."""
    return max(config.train.micro_batch_size, config.train.pack_tokens).bit_length()


def _fit(config: HarnessConfig) -> str:
    """What memory hangs on: the model, the method, how both are laid out, and the device."""
    engine, train = config.engine, config.train
    device, world, _ = machine(engine, config.eval.beside)
    about = {
        "model": plain(config.model),
        "method": plain(config.method),
        "engine": {name: plain(getattr(engine, name)) for name in _ENGINE},
        "train": {name: plain(getattr(train, name)) for name in _TRAIN},
        "device": device_name(device),
        "ranks": world,
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:20]


def _all(store: Store) -> dict[str, int]:
    with suppress(OSError, ValueError, TypeError, AttributeError):
        told = json.loads(cache_place(store.root, HALVINGS).read_text())
        return {str(name): int(count) for name, count in told.items()}
    return {}
