"""What a change of a feature repository does to those who read its features already.

A new bundle is deployed side by side and touches nobody. But what a repository
defines is applied to the projects that others read, and is what a bundle is
rebuilt from: so whoever changes it wants to know which bundle that is live, and
which one that a rollback would make live again, no longer works on it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum, unique
from typing import Final

from trilock.compat.catalog import RULES
from trilock.compat.check import judge
from trilock.compat.context import make_context
from trilock.compat.errors import MalformedSignatureError
from trilock.compat.features import FeatureSet
from trilock.compat.parse_features import parse_features
from trilock.compat.parse_signature import parse_signature
from trilock.compat.policy import Mode, Policy
from trilock.compat.raw import RawObject
from trilock.compat.report import Report, Verdict
from trilock.compat.rule import Rule
from trilock.compat.signature import Signature
from trilock.compat.subject import Consumer, Predecessor, Subject


@unique
class Standing(StrEnum):
    """Why a reader must go on working."""

    LIVE = "LIVE"
    """It serves."""
    TARGET = "TARGET"
    """A rollback would make it serve."""
    SERVICE = "SERVICE"
    """A feature service that somebody may read; of the models that do, nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureTexts:
    """The JSON texts of an MLmodel's signature."""

    inputs: str | None = None
    outputs: str | None = None
    params: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads a feature service, with the features as they were recorded."""

    name: str
    """`models/delay/bundles/17`, or `featureServices/delay` for a service."""
    standing: Standing
    alias: str = ""
    """`models/delay/aliases/production`; empty for a service."""
    model_version: str = ""
    project: str
    """The Feast project that the service was captured from."""
    service: str
    signature: SignatureTexts | None = None
    """None for a service."""
    policy: Policy = field(default_factory=Policy)
    objects: tuple[RawObject, ...] = field(repr=False)
    """The closure of the service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryDefinitions:
    """What a feature repository defines now."""

    project: str
    services: Mapping[str, tuple[RawObject, ...]] = field(repr=False)
    """The closure of every feature service, by name."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """Services that cannot be told, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the change does to one reader."""

    reader: Reader
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeReport:
    """What the change does to every reader."""

    project: str
    judged: tuple[Judged, ...]
    """Live bundles first, then rollback targets, each sorted by name."""
    elsewhere: tuple[Reader, ...]
    """Readers of other Feast projects, which this repository says nothing about."""

    @property
    def verdict(self) -> Verdict:
        """The worst of all; INCOMPATIBLE counts for more than UNDECIDABLE."""
        found = {item.report.verdict for item in self.judged}
        return next((verdict for verdict in _WORST_FIRST if verdict in found), Verdict.COMPATIBLE)


_WORST_FIRST: Final = (
    Verdict.INCOMPATIBLE,
    Verdict.UNDECIDABLE,
    Verdict.COMPATIBLE_WITH_WARNINGS,
)


def check_change(
    now: RepositoryDefinitions, *, readers: Iterable[Reader], today: date
) -> ChangeReport:
    """Return what it would do to *readers* if their features were made as *now* says.

    Args:
        now: What the repository defines.
        readers: Who must go on working.
        today: The day that waivers are judged by.

    Raises:
        InvalidPolicyError: A reader's policy names a rule that does not exist.
    """
    known = sorted(readers, key=_order)
    return ChangeReport(
        project=now.project,
        judged=tuple(
            Judged(reader=reader, report=_report(reader, now=now, today=today))
            for reader in known
            if reader.project == now.project
        ),
        elsewhere=tuple(reader for reader in known if reader.project != now.project),
    )


def service_readers(now: RepositoryDefinitions) -> tuple[Reader, ...]:
    """Return every service of *now* as a reader: what must not change for those who read it."""
    return tuple(
        Reader(
            name=f"featureServices/{service}",
            standing=Standing.SERVICE,
            project=now.project,
            service=service,
            policy=Policy(mode=Mode.FORWARD),
            objects=objects,
        )
        for service, objects in sorted(now.services.items())
    )


def _order(reader: Reader) -> tuple[int, str, str]:
    return list(Standing).index(reader.standing), reader.alias, reader.name


# What was accepted of a bundle when it was recorded (FIT, SEM001, LIN) is not asked again; CON001
# and CON002 say what the change adds to it.
_FOR_BUNDLES: Final = frozenset(
    {"CON001", "CON002", "EVI002", "EVI003", "EVO001", "EVO002", "EVO003", "POL001", "SEM002"}
)
# Without a signature every feature counts, and whether there is one cannot be missed.
_FOR_SERVICES: Final = frozenset(
    {"CON002", "EVI001", "EVI002", "EVO001", "EVO002", "EVO003", "FIT014", "POL001", "SEM002"}
)


def _report(reader: Reader, *, now: RepositoryDefinitions, today: date) -> Report:
    recorded = parse_features(reader.objects, service=reader.service)
    after = _after(recorded, now=now)
    signature: Signature | None = None
    wanted = _FOR_SERVICES
    if reader.standing is not Standing.SERVICE:
        wanted = _FOR_BUNDLES
        texts = reader.signature or SignatureTexts()
        try:
            signature = parse_signature(
                inputs=texts.inputs, outputs=texts.outputs, params=texts.params
            )
        except MalformedSignatureError as error:
            recorded = replace(recorded, undecidable=(*recorded.undecidable, str(error)))
    consumer = Consumer(
        name=reader.name,
        signature=signature,
        recorded=recorded,
        after=after,
        policy=reader.policy,
    )
    before = Subject(name=reader.name, signature=signature, features=recorded)
    context = make_context(
        Subject(name="the feature repository", signature=None, features=after),
        policy=reader.policy,
        predecessors=(Predecessor(name=reader.name, subject=before),),
        consumers=(consumer,),
        today=today,
    )
    return judge(context, rules=_rules(wanted))


def _after(recorded: FeatureSet, *, now: RepositoryDefinitions) -> FeatureSet:
    service = recorded.service
    if service in now.services:
        return parse_features(now.services[service], service=service)
    if service in now.problems:
        return replace(recorded, undecidable=(now.problems[service],))
    # One finding, not one for every feature that was in it.
    return replace(
        recorded, broken=(f"the repository no longer defines feature service {service!r}",)
    )


def _rules(wanted: frozenset[str]) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES if rule.id in wanted)
