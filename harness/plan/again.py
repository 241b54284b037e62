"""Why work is to do again: how it differs from what a store has done in its place."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

from harness.config.plain import plain
from harness.store.layout import MANIFEST
from harness.store.records import Json
from harness.store.store import Store
from harness.store.work import Work

MOST_READ = 300  # manifests per kind, the newest first
MOST_TOLD = 3  # differences per line
LONGEST = 40  # characters of a value
DEFAULT = "its default"  # of what an identity leaves out
# Of a name in an identity, what the configuration has no word for.
_SILENT = ("settings", "content", "parts", "class", "key", "sha256")

Changes = dict[str, tuple[Any, Any]]  # dotted name in an identity -> before, now


def reasons(to_do: Sequence[Work], store: Store) -> list[str]:
    """A line for each change that makes work be done again, where the store has done such work
    before; none for what only follows from work before it, and for what never was done."""
    done: dict[str, list[Json]] = {}
    lines = []
    for work in to_do:
        if work.kind not in done:
            done[work.kind] = [*newest_manifests(store, work.kind)]
        lines.append(_spoilt(work, store) or _reason(work, done[work.kind]))
    return list(dict.fromkeys(line for line in lines if line))


def _spoilt(work: Work, store: Store) -> str:
    """What is wrong with the very node, where it is in the store and is to do all the same."""
    if not (store.path(work.kind, work.key) / MANIFEST).is_file():
        return ""
    if store.done(work.kind, work.key) and store.dropped(work.kind, work.key):
        return (
            f"{work.label} again: its weights were dropped (store.keep), and work to do needs them"
        )
    if store.done(work.kind, work.key):
        return f"{work.label} again: its optimizer state is gone, and the next stage needs it"
    wrong = store.wrong(work.kind, work.key)
    return f"{work.label} again: {wrong or 'files of its node are lost or changed'}"


def newest_manifests(store: Store, kind: str) -> Iterator[Json]:
    """The manifests of finished work, those without an identity (imported work) left out."""
    places = [*(store.root / kind).glob(f"[!.]*/{MANIFEST}")]
    for path in sorted(places, key=lambda path: path.stat().st_mtime, reverse=True)[:MOST_READ]:
        try:
            manifest = json.loads(path.read_text())
        except (OSError, ValueError):  # damaged, or removed meanwhile: nothing to compare with
            continue
        if "identity" in manifest:
            yield manifest


def _reason(work: Work, done: Sequence[Json]) -> str:
    described, now = work.to_json(), work.content()
    found = [
        _changes(_flat(manifest["identity"]), _flat(now))
        for manifest in done
        if _place(manifest) == _place(described) and _run(manifest["identity"]) == _run(now)
    ]
    changes = min(found, key=len, default={})
    told = [_told(name, *changes[name], work) for name in changes if not _follows(name, described)]
    told = list(dict.fromkeys(told))
    more = f" and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
    return f"{work.label} again: {'; '.join(told[:MOST_TOLD])}{more}" if told else ""


def _place(described: Json) -> list[Any]:
    """Where work stands: its label and stage, and the models that it starts from."""
    models = [described.get(name) or {} for name in ("model", "base")]
    return [
        described["label"],
        described["stage"],
        *((m.get("kind"), m.get("path")) for m in models),
    ]


def _run(identity: Json) -> list[Any]:
    """What makes the same stage of another run other work, and not the same work again: its seed
    and what its method is made of."""
    adapter = "adapter" in identity.get("settings", {}).get("method", {})
    classes = {name: part["class"] for name, part in identity.get("strategies", {}).items()}
    names = {n: c["path"] if isinstance(c, dict) else c for n, c in classes.items()}
    return [identity.get("seed"), adapter, names]


def _flat(content: Any, name: str = "") -> dict[str, Any]:
    """An identity as dotted name -> value; the source of a user's own part by the part's name."""
    if isinstance(content, dict) and "source" in content and "path" in content:
        return {name: content["path"], f"{name}.source": (content["path"], content["source"])}
    if isinstance(content, list) and any(isinstance(item, dict) for item in content):
        content = {str(index): item for index, item in enumerate(content)}
    if not isinstance(content, dict):
        return {name: content}
    found: dict[str, Any] = {}
    for part, item in content.items():
        found |= _flat(item, f"{name}.{part}" if name else part)
    return found


def _changes(before: dict[str, Any], now: dict[str, Any]) -> Changes:
    names = sorted({*before, *now})
    pairs = {name: (before.get(name, DEFAULT), now.get(name, DEFAULT)) for name in names}
    return {name: pair for name, pair in pairs.items() if plain(pair[0]) != plain(pair[1])}


def _follows(name: str, described: Json) -> bool:
    """Is it the result of work before, or of several models? Then the work before has the line."""
    value = described.get(name.partition(".")[0])
    return name.startswith("tuned") or (
        isinstance(value, dict) and value.get("kind") in ("train", "edit", "eval")
    )


def _told(name: str, old: Any, new: Any, work: Work) -> str:
    """One change in words."""
    path = name.split(".")
    path = path[2:] if path[0] == "parts" else path
    inside = next((index for index, part in enumerate(path) if part.isdigit()), len(path))
    words = [part for part in path[:inside] if part not in _SILENT]
    short = ".".join("method" if word == "strategies" else word for word in words)
    if name.endswith(".source") and isinstance(new, tuple):
        return f"{words[-2]} {new[0]} changed (its source)"
    if inside < len(path) or path[-1] in ("key", "sha256"):
        return f"{short} changed"
    values = (_default(name, work) if value is DEFAULT else value for value in (old, new))
    return f"{short} {' -> '.join(_short(value) for value in values)}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _default(name: str, work: Work) -> Any:
    """The default of a field of a record, for which a name in an identity stands."""
    value: Any = work
    default: Any = MISSING
    for part in name.split("."):
        if is_dataclass(value):
            default = next((s.default for s in fields(value) if s.name == part), MISSING)
            value = getattr(value, part, None)
        elif isinstance(value, tuple) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return DEFAULT
    return DEFAULT if default is MISSING else plain(default)
