"""What is wrong between sections, told of their raw form, together with everything else."""

import re
from collections.abc import Mapping
from typing import Any, Final

_MANAGED: Final = re.compile(r".+__s[0-9]+(_[0-9a-f]+)?")
"""Names of the Feast projects that trilock makes, one for each feature schema."""


def references(merged: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the connections that models name and that are not there.

    Told of the raw form, so that it is told together with everything else.
    """
    connections, models = merged.get("connections", {}), merged.get("models", {})
    if not (isinstance(connections, dict) and isinstance(models, dict)):
        return []
    kinds = {
        name: connection.get("kind")
        for name, connection in connections.items()
        if isinstance(connection, dict)
    }
    found: list[tuple[str, str]] = []
    for name, model in models.items():
        for kind in ("mlflow", "feast", "git"):
            wanted = model.get(kind) if isinstance(model, dict) else None
            if isinstance(wanted, str) and kinds.get(wanted) != kind:
                known = ", ".join(sorted(key for key in kinds if kinds[key] == kind)) or "none"
                what = f"there is no connection {wanted!r} of kind {kind}; there is: {known}"
                found.append((f"models.{name}.{kind}", what))
    return found


def mirrors(merged: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the mirror projects that would overwrite something, in the raw form.

    What a Feast project holds that the settings do not name, `trilock doctor` sees.
    """
    models = merged.get("models", {})
    sections = (
        {name: model for name, model in models.items() if isinstance(model, dict)}
        if isinstance(models, dict)
        else {}
    )
    owners: dict[tuple[Any, Any], str] = {}
    found: list[tuple[str, str]] = []
    bases = {(model.get("feast"), model.get("base_project")) for model in sections.values()}
    for name, model in sections.items():
        mirror = model.get("mirror_project")
        if not isinstance(mirror, str):
            continue
        place, key = f"models.{name}.mirror_project", (model.get("feast"), mirror)
        if _MANAGED.fullmatch(mirror):
            found.append((place, "must not look like a project that trilock makes, NAME__sNUMBER"))
        if key in bases:
            found.append((place, "is a base_project: it would be overwritten"))
        if key in owners:
            found.append((place, f"is the mirror of model {owners[key]!r} already"))
        owners.setdefault(key, name)
    return found + [
        (f"models.{name}.reads_projects", _unread(project, owner))
        for name, model in sections.items()
        for project in _texts(model.get("reads_projects"))
        if (owner := owners.get((model.get("feast"), project))) in {None, name}
    ]


def _texts(value: object) -> list[str]:
    if not isinstance(value, list | tuple):
        return []
    return [item for item in value if isinstance(item, str)]


def _unread(project: str, owner: str | None) -> str:
    if owner is not None:
        return f"{project!r} is this model's own mirror"
    return f"{project!r} is no other model's mirror_project on the same feast connection"
