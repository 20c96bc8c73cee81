"""Domain values to JSON columns and back: total functions, nothing lost."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from trilock.server.domain.bundle import ModelVersion, PipelineCommit, PipelineOutput
from trilock.server.domain.live import LiveBundle, ServingBundle
from trilock.server.domain.names import AliasRef, BundleRef, ReleaseRef, alias_name, model_name
from trilock.server.domain.operation import OperationKind, Plan, PlannedStep
from trilock.server.domain.release import Cause, Pause, ReleaseState
from trilock.server.domain.sink import SinkColumn
from trilock.server.store.clock import to_datetime, to_optional_datetime


def model_version_to_json(value: ModelVersion) -> dict[str, Any]:
    """Return the JSON form of *value*."""
    return asdict(value)


def model_version_from_json(form: Mapping[str, Any]) -> ModelVersion:
    """Return the value *form* was made of."""
    files = tuple((path, size) for path, size in form["files"])
    return ModelVersion(**{**form, "files": files})


def pipeline_commit_to_json(value: PipelineCommit) -> dict[str, Any]:
    """Return the JSON form of *value*."""
    return asdict(value)


def pipeline_commit_from_json(form: Mapping[str, Any]) -> PipelineCommit:
    """Return the value *form* was made of."""
    outputs = tuple(PipelineOutput(**output) for output in form["outputs"])
    return PipelineCommit(**{**form, "outputs": outputs})


def cause_to_json(value: Cause) -> dict[str, Any]:
    """Return the JSON form of *value*."""
    return asdict(value)


def cause_from_json(form: Mapping[str, Any]) -> Cause:
    """Return the value *form* was made of."""
    return Cause(**form)


def pause_from_json(form: Mapping[str, Any]) -> Pause:
    """Return the pause that store/pauses.py has written as *form*."""
    ended_by = form["ended_by"]
    return Pause(
        revision=form["revision"],
        started=to_datetime(form["started_ms"]),
        cause=cause_from_json(form["cause"]),
        ended_revision=form["ended_revision"],
        ended=to_optional_datetime(form["ended_ms"]),
        ended_by=None if ended_by is None else cause_from_json(ended_by),
    )


def columns_to_json(value: tuple[SinkColumn, ...]) -> list[dict[str, Any]]:
    """Return the JSON form of *value*."""
    return [asdict(column) for column in value]


def columns_from_json(form: list[dict[str, Any]]) -> tuple[SinkColumn, ...]:
    """Return the value *form* was made of."""
    return tuple(SinkColumn(**column) for column in form)


def plan_to_json(value: Plan) -> dict[str, Any]:
    """Return the JSON form of *value*."""
    return {
        "id": value.id,
        "kind": value.kind.value,
        "model": value.alias.model,
        "alias": value.alias.alias,
        "etag": value.etag,
        "steps": [asdict(step) for step in value.steps],
        "converges": list(value.converges),
        "warnings": list(value.warnings),
    }


def plan_from_json(form: Mapping[str, Any]) -> Plan:
    """Return the value *form* was made of."""
    return Plan(
        id=form["id"],
        kind=OperationKind(form["kind"]),
        alias=AliasRef(model_name(form["model"]), alias_name(form["alias"])),
        etag=form["etag"],
        steps=tuple(PlannedStep(**step) for step in form["steps"]),
        converges=tuple(form["converges"]),
        warnings=tuple(form["warnings"]),
    )


def live_to_json(value: LiveBundle) -> dict[str, Any]:
    """Return the JSON form of *value*."""
    return {
        "alias": str(value.alias),
        "live": _serving_to_json(value.live),
        "standby": None if value.standby is None else _serving_to_json(value.standby),
        "state": value.state.value,
        "revision": value.revision,
        "cause": cause_to_json(value.cause),
        "canary": None if value.canary is None else _serving_to_json(value.canary),
        "canary_percent": value.canary_percent,
        "shadow": None if value.shadow is None else _serving_to_json(value.shadow),
    }


def live_from_json(form: Mapping[str, Any]) -> LiveBundle:
    """Return the value *form* was made of; what only a newer trilock knows is left out."""
    return LiveBundle(
        alias=AliasRef.parse(form["alias"]),
        live=_serving_from_json(form["live"]),
        standby=None if form["standby"] is None else _serving_from_json(form["standby"]),
        state=ReleaseState(form["state"]),
        revision=form["revision"],
        cause=cause_from_json(form["cause"]),
        canary=None if form["canary"] is None else _serving_from_json(form["canary"]),
        canary_percent=form["canary_percent"],
        shadow=None if form["shadow"] is None else _serving_from_json(form["shadow"]),
    )


def _serving_to_json(value: ServingBundle) -> dict[str, Any]:
    return {**asdict(value), "bundle": str(value.bundle), "release": str(value.release)}


def _serving_from_json(form: Mapping[str, Any]) -> ServingBundle:
    known = {field.name: form[field.name] for field in fields(ServingBundle)}
    return ServingBundle(
        **{
            **known,
            "bundle": BundleRef.parse(known["bundle"]),
            "release": ReleaseRef.parse(known["release"]),
        }
    )
