"""The half of ReleaseService that changes nothing: what would be done, what is live, what was."""

from collections.abc import Sequence

from trilock.server.domain.names import AliasRef, BundleRef, ReleaseRef, model_name
from trilock.server.domain.release import Release
from trilock.server.rpc.convert.operations import refusal_to_proto
from trilock.server.rpc.convert.plan import plan_to_proto, promotion_to_proto
from trilock.server.rpc.convert.releases import alias_to_proto, release_to_proto
from trilock.server.rpc.principals import current_principal
from trilock.server.rpc.service import Context, Service
from trilock.server.rpc.validate import validating
from trilock.server.rpc.validate_release import companions_of
from trilock.server.serving.messages import serving_bundle_message
from trilock.server.store.releases import get_release, list_releases
from trilock.server.store.sinks import ReleaseSink, list_release_sinks
from trilock.server.usecases.describe_alias import describe_alias, describe_aliases
from trilock.server.usecases.describe_past import describe_past
from trilock.server.usecases.describe_rollback import describe_rollback
from trilock.server.usecases.promote_together import Subject, plan_promote_together
from trilock.v1 import release_service_pb2, release_service_pb2_grpc


class ReleaseReads(Service, release_service_pb2_grpc.ReleaseServiceServicer):
    """See release_service.proto."""

    async def PlanPromotion(
        self, request: release_service_pb2.PlanPromotionRequest, _context: Context
    ) -> release_service_pb2.PlanPromotionResponse:
        """See release_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            bundle = check.name("bundle", request.bundle, BundleRef.parse)
            check.same_model("bundle", bundle, alias=alias)
            window = check.window("feature_window", request.feature_window, required=False)
            companions = companions_of(check, request.companions)
            accept_window = check.text("accept_window", request.accept_window)
        planned = await self.threads.slow(
            plan_promote_together,
            self.runtime,
            subjects=[Subject(alias=alias, bundle=bundle), *companions],
            window=window,
            accept_window=accept_window,
        )
        lead, *others = planned.parts
        refusal = planned.refusal
        return release_service_pb2.PlanPromotionResponse(
            plan=promotion_to_proto(lead, plan=planned.plan),
            refusal=None if refusal is None else refusal_to_proto(refusal),
            companions=[promotion_to_proto(other, plan=other.plan) for other in others],
        )

    async def PlanRollback(
        self, request: release_service_pb2.PlanRollbackRequest, _context: Context
    ) -> release_service_pb2.PlanRollbackResponse:
        """See release_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            to_bundle = check.optional("to_bundle", request.to_bundle, BundleRef.parse)
            check.same_model("to_bundle", to_bundle, alias=alias)
            leaves = check.optional("leaves", request.leaves, ReleaseRef.parse)
            check.same_model("leaves", leaves, alias=alias)
        described = await self.threads.quick(
            describe_rollback,
            self.runtime,
            alias=alias,
            to_bundle=to_bundle,
            leaves=leaves,
            alone=not request.with_companions,
        )
        planned, target = described.planned, described.planned.target
        return release_service_pb2.PlanRollbackResponse(
            plan=plan_to_proto(
                planned.plan,
                from_bundle=described.serves,
                to_bundle=target.bundle,
                changes=described.changes,
                not_undone=described.not_undone,
                pace=described.pace,
                between=described.middle,
            ),
            leaves=release_to_proto(planned.leaves, sinks=described.sinks),
            restores=None if target.release is None else release_to_proto(target.release),
            why=target.why,
            passed_over=[
                release_service_pb2.PassedOver(bundle=str(one.bundle), reason=one.reason)
                for one in target.passed_over
            ],
            principal=current_principal().name,
        )

    async def GetAlias(
        self, request: release_service_pb2.GetAliasRequest, _context: Context
    ) -> release_service_pb2.GetAliasResponse:
        """See release_service.proto."""
        with validating() as check:
            alias = check.name("name", request.name, AliasRef.parse)
        status = await self.threads.quick(describe_alias, self.runtime, alias)
        return release_service_pb2.GetAliasResponse(alias=alias_to_proto(status))

    async def ListAliases(
        self, request: release_service_pb2.ListAliasesRequest, _context: Context
    ) -> release_service_pb2.ListAliasesResponse:
        """See release_service.proto."""
        with validating() as check:
            model = check.optional("model", request.model, model_name)
            page = check.page(request)
        found = await self.threads.quick(describe_aliases, self.runtime, model=model)
        shown, token = page.of(found)
        return release_service_pb2.ListAliasesResponse(
            aliases=[alias_to_proto(status) for status in shown], next_page_token=token
        )

    async def GetRelease(
        self, request: release_service_pb2.GetReleaseRequest, _context: Context
    ) -> release_service_pb2.GetReleaseResponse:
        """See release_service.proto."""
        with validating() as check:
            ref = check.name("name", request.name, ReleaseRef.parse)

        def read() -> tuple[Release, list[ReleaseSink]]:
            with self.runtime.database.read() as session:
                return get_release(session, ref), list_release_sinks(session, ref)

        release, sinks = await self.threads.quick(read)
        return release_service_pb2.GetReleaseResponse(
            release=release_to_proto(release, sinks=sinks)
        )

    async def GetReleaseAt(
        self, request: release_service_pb2.GetReleaseAtRequest, _context: Context
    ) -> release_service_pb2.GetReleaseAtResponse:
        """See release_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            at = check.moment("time", request)
        past = await self.threads.quick(describe_past, self.runtime, alias, at=at)
        return release_service_pb2.GetReleaseAtResponse(
            release=release_to_proto(past.release),
            serving_bundle=serving_bundle_message(past.serving),
        )

    async def ListReleases(
        self, request: release_service_pb2.ListReleasesRequest, _context: Context
    ) -> release_service_pb2.ListReleasesResponse:
        """See release_service.proto."""
        with validating() as check:
            alias = check.optional("alias", request.alias, AliasRef.parse)
            page = check.page(request)

        def read() -> Sequence[Release]:
            with self.runtime.database.read() as session:
                return list_releases(session, alias=alias, offset=page.offset, limit=page.limit)

        shown, token = page.cut(await self.threads.quick(read))
        return release_service_pb2.ListReleasesResponse(
            releases=[release_to_proto(release) for release in shown], next_page_token=token
        )
