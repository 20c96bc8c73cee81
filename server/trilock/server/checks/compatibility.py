"""Judge a tuple with trilock.compat, on evidence gathered now (I2).

A stored verdict is not enough: MLflow signatures are mutable after registration
(research/mlflow_dvc.md, section 3), so the model version is captured anew each
time, and what it is now is what is judged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlmodel import Session

from trilock.compat import (
    Lineage,
    MalformedSignatureError,
    Predecessor,
    Report,
    Severity,
    Signature,
    Subject,
    Verdict,
    check,
    parse_features,
    parse_signature,
    reading_on,
)
from trilock.server.checks.sharing import (
    consumers,
    mirrored,
    readers,
    shared_states,
)
from trilock.server.domain.bundle import Bundle, FeatureCapture, ModelVersion, PipelineCommit
from trilock.server.domain.errors import IncompatibleError, NotReadyError, UndecidableError
from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.domain.ports import Connections
from trilock.server.domain.release import ALONE, ReleaseState, Together
from trilock.server.domain.sink import Sink
from trilock.server.store.bundles import get_bundle
from trilock.server.store.clock import today
from trilock.server.store.database import Database
from trilock.server.store.policies import policy_with_waivers
from trilock.server.store.releases import get_live, list_releases
from trilock.server.store.sinks import list_sinks

_PREDECESSORS: Final = 1000
"""How many releases back a transitive mode looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuple:
    """Three captures to be judged together, recorded or not."""

    name: str
    model_version: ModelVersion
    capture: FeatureCapture
    pipeline_commit: PipelineCommit


class Judge:
    """Turns captures into a report."""

    def __init__(self, database: Database, connections: Connections) -> None:
        self._database = database
        self._connections = connections

    def report(self, judged: Tuple, *, alias: AliasRef, together: Together = ALONE) -> Report:
        """Return the verdict on *judged* if it went live on *alias* after what is live there.

        Args:
            judged: What to judge.
            alias: Where it would go live.
            together: What would go live with the same pivot, elsewhere.
        """
        with self._database.read() as session:
            sinks = list_sinks(session, model=alias.model)
            policy = policy_with_waivers(session, alias)
            day = today(session)
            before = [
                get_bundle(session, ref)
                for ref in _predecessors(session, alias, every=policy.mode.transitive)
                if str(ref) != judged.name
            ]
            others = readers(session, self._connections, alias, together=together)
            mirrors = mirrored(session, self._connections, alias, together=together)
        features = self._connections.planes(alias.model).features
        predecessors = [
            Predecessor(
                name=str(bundle.ref),
                subject=self._subject(_recorded(bundle), alias=alias, sinks=()),
            )
            for bundle in before
        ]
        return check(
            self._subject(judged, alias=alias, sinks=sinks),
            policy=policy,
            predecessors=predecessors,
            consumers=list(consumers(features, others, capture=judged.capture)),
            shared=list(shared_states(features, mirrors, capture=judged.capture)),
            today=day,
        )

    def bundle_report(
        self, *, alias: AliasRef, bundle: BundleRef, together: Together = ALONE
    ) -> Report:
        """Return the verdict on a recorded bundle, its model version captured anew.

        Raises:
            NotFoundError: The bundle was never recorded, or its model version is gone.
            PlaneUnavailableError: The registry does not answer.
        """
        with self._database.read() as session:
            recorded = get_bundle(session, bundle)
        planes = self._connections.planes(alias.model)
        now = planes.registry.capture(
            model=recorded.model_version.name, version=recorded.model_version.version
        )
        judged = Tuple(
            name=str(bundle),
            model_version=now,
            capture=recorded.feature_schema.capture,
            pipeline_commit=recorded.pipeline_commit,
        )
        return self.report(judged, alias=alias, together=together)

    def unfit(
        self, bundle: Bundle, *, alias: AliasRef, features_of: Bundle | None = None
    ) -> tuple[str, ...]:
        """Return why *bundle*, as it was recorded, fits neither itself nor the sinks of today.

        No outside system is asked, and what was live before does not count: it is for
        going back, or for a moment, not for going on.

        Args:
            bundle: Whose model is judged.
            alias: Where it is, or would be, live.
            features_of: Whose features it would read, if not its own.
        """
        with self._database.read() as session:
            sinks = list_sinks(session, model=alias.model)
            policy = policy_with_waivers(session, alias)
            day = today(session)
        judged = _recorded(bundle)
        if features_of is not None:
            judged = replace(judged, capture=features_of.feature_schema.capture)
        subject = self._subject(judged, alias=alias, sinks=sinks)
        report = check(subject, policy=policy, today=day)
        if report.verdict is not Verdict.INCOMPATIBLE:
            return ()
        return tuple(
            finding.message for finding in report.findings if finding.severity is Severity.ERROR
        )

    def reads_on(self, bundle: Bundle, *, alias: AliasRef, features_of: Bundle) -> tuple[str, ...]:
        """Return why *bundle* would not read what it was recorded with from others' features.

        Args:
            bundle: Whose model reads.
            alias: Where it is, or would be, live.
            features_of: Whose features it would read.
        """
        with self._database.read() as session:
            policy = policy_with_waivers(session, alias)
        reader = self._subject(_recorded(bundle), alias=alias, sinks=())
        other = self._subject(_recorded(features_of), alias=alias, sinks=())
        return tuple(reading_on(reader, after=other.features, policy=policy))

    def require_promotable(
        self, *, alias: AliasRef, bundle: BundleRef, together: Together = ALONE
    ) -> Report:
        """Return the report if nothing in it forbids *bundle* to go live.

        Raises:
            NotReadyError: The model version is not what was recorded.
            IncompatibleError: A finding forbids it.
            UndecidableError: Evidence is missing.
        """
        report = self.bundle_report(alias=alias, bundle=bundle, together=together)
        if report.verdict is Verdict.INCOMPATIBLE:
            raise IncompatibleError(subject=str(bundle), report=report)
        if report.verdict is Verdict.UNDECIDABLE:
            raise UndecidableError(subject=str(bundle), report=report)
        with self._database.read() as session:
            recorded = get_bundle(session, bundle)
        problems = self._connections.planes(alias.model).registry.verify(recorded.model_version)
        if problems:
            raise NotReadyError(resource=str(bundle), problems=problems)
        return report

    def _subject(self, judged: Tuple, *, alias: AliasRef, sinks: Sequence[Sink]) -> Subject:
        model = judged.model_version
        features = self._connections.planes(alias.model).features
        return Subject(
            name=judged.name,
            signature=_signature(model),
            features=parse_features(
                features.describe(judged.capture), service=judged.capture.service
            ),
            pipeline_revision=judged.pipeline_commit.revision,
            lineage=Lineage(
                trained_commit=model.source_commit, trained_service=model.feature_service
            ),
            sink_columns={
                str(sink.ref): {column.name: column.type for column in sink.columns}
                for sink in sinks
            },
        )


def _predecessors(session: Session, alias: AliasRef, *, every: bool) -> list[BundleRef]:
    """Return what is live on *alias*; with *every*, also what was and was not taken back."""
    live = get_live(session, alias)
    if live is None:
        return []
    releases = list_releases(session, alias=alias, offset=0, limit=_PREDECESSORS) if every else []
    older = [one.bundle for one in releases if one.state is ReleaseState.SUPERSEDED]
    return list(dict.fromkeys([live.bundle, *older]))


def _recorded(bundle: Bundle) -> Tuple:
    return Tuple(
        name=str(bundle.ref),
        model_version=bundle.model_version,
        capture=bundle.feature_schema.capture,
        pipeline_commit=bundle.pipeline_commit,
    )


def _signature(model: ModelVersion) -> Signature | None:
    try:
        return parse_signature(inputs=model.inputs, outputs=model.outputs, params=model.params)
    except MalformedSignatureError as error:
        raise UndecidableError.unreadable(
            f"version {model.version} of model {model.name}",
            place=f"signature {error.place} in its file 'MLmodel'",
            problem=error.problem,
            remedy="log the model again with a signature that MLflow writes",
        ) from error
