"""policy show, set, history: how bundles are checked on an alias."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated

import typer

from trilock.cli.exits import UsageError
from trilock.cli.input.options import AliasArgument, DryRun, Limit, Output, Reason
from trilock.cli.output.plain import enum_name, moment, plain
from trilock.cli.output.streams import Format, say, write_json, write_table
from trilock.cli.output.words import when
from trilock.cli.running.command import Command
from trilock.cli.running.session import connected, new_request_id, pages
from trilock.client.names import short_alias
from trilock.v1.policy_pb2 import (
    EvolutionMode,
    NullException,
    NullPolicy,
    Policy,
    RuleSeverity,
    ServingPath,
)
from trilock.v1.policy_service_pb2 import GetPolicyRequest, ListPoliciesRequest, SetPolicyRequest
from trilock.v1.report_pb2 import Severity


class Mode(StrEnum):
    """How feature schemas may evolve."""

    NONE = "none"
    BACKWARD = "backward"
    BACKWARD_TRANSITIVE = "backward-transitive"
    FORWARD = "forward"
    FORWARD_TRANSITIVE = "forward-transitive"
    FULL = "full"
    FULL_TRANSITIVE = "full-transitive"


class Path(StrEnum):
    """How features reach the model."""

    ONLINE = "online"
    HISTORICAL = "historical"


class Nulls(StrEnum):
    """Whether rows can be missing."""

    MAY_BE_MISSING = "may-be-missing"
    NEVER_MISSING = "never-missing"


class Weight(StrEnum):
    """What a finding weighs."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


_DEFAULT = "default"


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    group = typer.Typer(help="How bundles are checked on an alias.", no_args_is_help=True)
    group.command(cls=Command)(show)
    group.command("set", cls=Command)(set_policy)
    group.command(cls=Command)(history)
    app.add_typer(group, name="policy")


def show(
    context: typer.Context, alias: AliasArgument = None, *, output: Output = Format.TABLE
) -> None:
    """Show the policy of an alias."""
    with connected(context) as session:
        request = GetPolicyRequest(alias=session.names.alias(alias))
        policy = session.client.policies.GetPolicy(request).policy
    _show(policy, output=output)


def set_policy(
    context: typer.Context,
    alias: AliasArgument = None,
    *,
    mode: Annotated[
        Mode | None, typer.Option(help="How feature schemas may evolve.", show_default=False)
    ] = None,
    serving_path: Annotated[
        Path | None, typer.Option(help="How features reach the model.", show_default=False)
    ] = None,
    full_feature_names: Annotated[
        bool | None,
        typer.Option(
            "--full-feature-names/--short-feature-names",
            help="Whether columns are called view__feature.",
            show_default=False,
        ),
    ] = None,
    null_policy: Annotated[
        Nulls | None, typer.Option(help="Whether rows can be missing.", show_default=False)
    ] = None,
    nulls: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VIEW[:FEATURE]=NULLS",
            help="An exception from it, or =default; may be repeated.",
            show_default=False,
        ),
    ] = None,
    severity: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE=SEVERITY",
            help="error, warning, info or default; may be repeated.",
            show_default=False,
        ),
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Begin with the default, not with what is set.")
    ] = False,
    etag: Annotated[
        str, typer.Option(help="Refuse unless this is the policy's etag.", show_default=False)
    ] = "",
    reason: Reason = "",
    dry_run: DryRun = False,
    output: Output = Format.TABLE,
) -> None:
    """Change what is said, and leave the rest of the policy."""
    if not (reset or any((mode, serving_path, null_policy, nulls, severity))) and (
        full_feature_names is None
    ):
        raise UsageError("say what to change: --mode, --serving-path, --severity and so on")
    with connected(context) as session:
        name = session.names.alias(alias)
        now = session.client.policies.GetPolicy(GetPolicyRequest(alias=name)).policy
        new = Policy(alias=name)
        if not reset:
            new.CopyFrom(now)
        if mode is not None:
            new.mode = EvolutionMode.Value(f"EVOLUTION_MODE_{_upper(mode)}")
        if serving_path is not None:
            new.serving_path = ServingPath.Value(f"SERVING_PATH_{_upper(serving_path)}")
        if full_feature_names is not None:
            new.full_feature_names = full_feature_names
        if null_policy is not None:
            new.null_policy = NullPolicy.Value(f"NULL_POLICY_{_upper(null_policy)}")
        _replace_nulls(new, nulls or [])
        _replace_severities(new, severity or [])
        request = SetPolicyRequest(
            policy=new,
            reason=reason,
            # What was not said is taken from what was read: nobody may change it in between.
            etag=etag or now.etag,
            request_id=new_request_id(),
            validate_only=dry_run,
        )
        policy = session.client.policies.SetPolicy(request).policy
    short = short_alias(name)
    if dry_run:
        _show(new, output=output)
        say(f"the policy of {short} can be set so")
        return
    _show(policy, output=output)
    same = policy.revision == now.revision
    say(f"the policy of {short} was so already" if same else f"the policy of {short} is set")


def history(
    context: typer.Context,
    alias: AliasArgument = None,
    *,
    limit: Limit = 20,
    output: Output = Format.TABLE,
) -> None:
    """List every policy that was set, by whom and why."""
    with connected(context) as session:
        request = ListPoliciesRequest(alias=session.names.alias(alias))
        call = session.client.policies.ListPolicies
        found: list[Policy] = pages(call, request, items="policies", limit=limit)
        if not found:
            session.names.require(request.alias)
    if output is Format.JSON:
        write_json([plain(policy) for policy in found])
        return
    rows = [
        (
            policy.revision,
            ", ".join(f"{name} {value}" for name, value in _settings(policy)),
            when(moment(policy.set_time)),
            policy.principal or "-",
            policy.reason or "-",
        )
        for policy in found
    ]
    write_table(["revision", "policy", "when", "by", "reason"], rows)
    if not found:
        say("none was ever set: the default counts")


def _show(policy: Policy, *, output: Format) -> None:
    if output is Format.JSON:
        write_json(plain(policy))
        return
    rows = [("alias", short_alias(policy.alias)), *_settings(policy)]
    if policy.revision:
        why = f": {policy.reason}" if policy.reason else ""
        rows.append(("set", f"by {policy.principal} {when(moment(policy.set_time))}{why}"))
    else:
        rows.append(("set", "never: this is the default"))
    write_table(["", ""], rows)


def _settings(policy: Policy) -> Iterator[tuple[str, str]]:
    yield "mode", _lower(enum_name(EvolutionMode.DESCRIPTOR, policy.mode or 1))
    yield "serving path", _lower(enum_name(ServingPath.DESCRIPTOR, policy.serving_path or 1))
    yield "columns", "view__feature" if policy.full_feature_names else "feature"
    yield "rows", _nulls_word(policy.null_policy)
    for entry in policy.nulls:
        yield f"rows of {entry.path}", _nulls_word(entry.null_policy)
    for weight in policy.severities:
        yield weight.rule, _lower(enum_name(Severity.DESCRIPTOR, weight.severity))


def _replace_nulls(policy: Policy, texts: Sequence[str]) -> None:
    changed = _entries(texts, Nulls, form="VIEW[:FEATURE]=NULLS")
    kept = [entry for entry in policy.nulls if entry.path not in changed]
    new = [
        NullException(path=path, null_policy=NullPolicy.Value(f"NULL_POLICY_{_upper(value)}"))
        for path, value in changed.items()
        if value is not None
    ]
    del policy.nulls[:]
    policy.nulls.extend(sorted([*kept, *new], key=lambda entry: entry.path))


def _replace_severities(policy: Policy, texts: Sequence[str]) -> None:
    changed = _entries([text.upper() for text in texts], Weight, form="RULE=SEVERITY")
    kept = [entry for entry in policy.severities if entry.rule not in changed]
    new = [
        RuleSeverity(rule=rule, severity=Severity.Value(f"SEVERITY_{_upper(value)}"))
        for rule, value in changed.items()
        if value is not None
    ]
    del policy.severities[:]
    policy.severities.extend(sorted([*kept, *new], key=lambda entry: entry.rule))


def _entries(texts: Sequence[str], kind: type[StrEnum], *, form: str) -> dict[str, StrEnum | None]:
    """Return the value of each KEY=VALUE; None where the default is asked for."""
    found: dict[str, StrEnum | None] = {}
    known = [*(value.value for value in kind), _DEFAULT]
    for text in texts:
        key, equals, value = text.rpartition("=")
        if not (key and equals) or value.lower() not in known:
            raise UsageError(f"{text!r} is not {form}: the values are {', '.join(known)}")
        found[key] = None if value.lower() == _DEFAULT else kind(value.lower())
    return found


def _nulls_word(value: NullPolicy.ValueType) -> str:
    return _lower(enum_name(NullPolicy.DESCRIPTOR, value or 1))


def _upper(value: StrEnum) -> str:
    return value.value.upper().replace("-", "_")


def _lower(name: str) -> str:
    return name.lower().replace("_", "-")
