"""Readers and repositories, for tests of changes and of their output."""

import json
from collections.abc import Mapping
from typing import Any

from tests.compat import raws
from trilock.compat import RawObject, Reader, RepositoryDefinitions, SignatureTexts, Standing

INPUTS = json.dumps(raws.columns({"temp": "double", "wind": "double"}))


def closure(types: raws.Fields | None = None, **more: Any) -> tuple[RawObject, ...]:
    """Return the closure of service `delay_v1` over one view, `weather`."""
    view = raws.view(features=types, **more)
    return (raws.entity(), view, raws.service(raws.projection(features=types)))


def reader(
    number: int = 2,
    *,
    standing: Standing = Standing.LIVE,
    inputs: str | None = INPUTS,
    **more: Any,
) -> Reader:
    parts: dict[str, Any] = {
        "name": f"models/delay/bundles/{number}",
        "standing": standing,
        "alias": "models/delay/aliases/production",
        "model_version": str(number),
        "project": "flights",
        "service": "delay_v1",
        "signature": SignatureTexts(inputs=inputs),
        "objects": closure(),
        **more,
    }
    return Reader(**parts)


def repository(
    services: Mapping[str, tuple[RawObject, ...]] | None = None,
    *,
    project: str = "flights",
    problems: Mapping[str, str] | None = None,
) -> RepositoryDefinitions:
    return RepositoryDefinitions(
        project=project,
        services={"delay_v1": closure()} if services is None else services,
        problems=problems or {},
    )
