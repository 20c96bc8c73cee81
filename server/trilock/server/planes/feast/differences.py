"""How the definitions of a project differ from a capture, in words. Pure."""

from collections.abc import Iterator
from typing import Any, Final

from trilock.server.domain.bundle import FeatureCapture
from trilock.server.planes.feast import protos
from trilock.server.planes.feast.definitions import Definitions, definition_bytes, definitions

_SHOWN: Final = 8
"""How many names of one kind a line has at most."""


def differences(capture: FeatureCapture, found: Definitions) -> tuple[str, ...]:
    """Return a line for every captured object that is gone or otherwise in *found*."""
    lines: list[str] = []
    for (kind, name), proto in sorted(definitions(capture).items()):
        label = f"{kind.replace('_', ' ')} {name!r}"
        now = found.get((kind, name))
        if now is None:
            lines.append(f"{label} is gone")
            continue
        before, after = (definition_bytes(kind, each) for each in (proto, now))
        if before != after:
            parts = _parts(protos.parse(kind, before), protos.parse(kind, after))
            lines.append(f"{label} was changed: {', '.join(parts) or 'its serialised form'}")
    return tuple(lines)


def _parts(before: Any, after: Any) -> Iterator[str]:  # noqa: ANN401 - Feast messages
    """Yield what is different between two messages, field by field."""
    if "spec" in before.DESCRIPTOR.fields_by_name:
        before, after = before.spec, after.spec
    for field in before.DESCRIPTOR.fields:
        was, now = getattr(before, field.name), getattr(after, field.name)
        if was == now:
            continue
        if field.name == "features":
            yield from _features(was, now)
        else:
            yield field.name.replace("_", " ")


def _features(was: Any, now: Any) -> Iterator[str]:  # noqa: ANN401 - repeated messages
    old, new = ({_key(each): each for each in side} for side in (was, now))
    added, removed = sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys())
    other = sorted(key for key in old.keys() & new.keys() if old[key] != new[key])
    if added:
        yield f"features added {_names(added)}"
    if removed:
        yield f"features removed {_names(removed)}"
    if other:
        yield f"features changed {_names(other)}"
    if not (added or removed or other):
        yield "order of features"


def _key(part: Any) -> str:  # noqa: ANN401 - a column, or a projection of a service
    return str(getattr(part, "name", "") or getattr(part, "feature_view_name", ""))


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return " ".join(names[:_SHOWN]) + more
