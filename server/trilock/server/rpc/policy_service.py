"""PolicyService."""

from trilock.compat import Waiver
from trilock.server.domain.names import AliasRef, WaiverRef, model_name
from trilock.server.domain.policy import RecordedPolicy
from trilock.server.rpc.convert.checks import policy_to_proto, recorded_waivers_to_proto
from trilock.server.rpc.principals import current_principal
from trilock.server.rpc.service import Context, Service
from trilock.server.rpc.validate import RULE, validating
from trilock.server.rpc.validate_policy import policy_of
from trilock.server.store.policies import get_policy, list_policies
from trilock.server.usecases.set_policy import set_policy
from trilock.server.usecases.waive import read_waivers, revoke_waiver, waive
from trilock.v1 import policy_service_pb2, policy_service_pb2_grpc


class PolicyService(Service, policy_service_pb2_grpc.PolicyServiceServicer):
    """See policy_service.proto."""

    async def GetPolicy(
        self, request: policy_service_pb2.GetPolicyRequest, _context: Context
    ) -> policy_service_pb2.GetPolicyResponse:
        """See policy_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)

        def read() -> RecordedPolicy:
            self.runtime.require_known(alias.model)
            with self.runtime.database.read() as session:
                return get_policy(session, alias)

        recorded = await self.threads.quick(read)
        return policy_service_pb2.GetPolicyResponse(policy=policy_to_proto(recorded))

    async def SetPolicy(
        self, request: policy_service_pb2.SetPolicyRequest, _context: Context
    ) -> policy_service_pb2.SetPolicyResponse:
        """See policy_service.proto."""
        with validating() as check:
            alias = check.name("policy.alias", request.policy.alias, AliasRef.parse)
            policy = policy_of(check, "policy", request.policy)
            reason = check.text("reason", request.reason)
            etag = check.text("etag", request.etag, limit=128)
            request_id = check.request_id(request.request_id)
        recorded = await self.threads.quick(
            set_policy,
            self.runtime,
            alias=alias,
            policy=policy,
            reason=reason,
            etag=etag,
            request_id=request_id,
            validate_only=request.validate_only,
            principal=current_principal().name,
        )
        return policy_service_pb2.SetPolicyResponse(policy=policy_to_proto(recorded))

    async def ListPolicies(
        self, request: policy_service_pb2.ListPoliciesRequest, _context: Context
    ) -> policy_service_pb2.ListPoliciesResponse:
        """See policy_service.proto."""
        with validating() as check:
            alias = check.name("alias", request.alias, AliasRef.parse)
            page = check.page(request)

        def read() -> list[RecordedPolicy]:
            with self.runtime.database.read() as session:
                return list_policies(session, alias, offset=page.offset, limit=page.limit)

        shown, token = page.cut(await self.threads.quick(read))
        return policy_service_pb2.ListPoliciesResponse(
            policies=[policy_to_proto(recorded) for recorded in shown], next_page_token=token
        )

    async def CreateWaiver(
        self, request: policy_service_pb2.CreateWaiverRequest, _context: Context
    ) -> policy_service_pb2.CreateWaiverResponse:
        """See policy_service.proto."""
        with validating() as check:
            model = check.name("model", request.model, model_name)
            alias = check.optional("alias", request.alias, AliasRef.parse)
            if alias is not None and alias.model != model:
                check.wrong("alias", f"{alias} is not of model {request.model[:40]!r}")
            rule = check.token("rule", request.rule, RULE)
            path = check.text("path", request.path, required=True)
            owner = check.text("owner", request.owner, required=True, limit=255)
            reason = check.text("reason", request.reason, required=True)
            expires = check.day("expire_date", request.expire_date)
            request_id = check.request_id(request.request_id)
        found = await self.threads.quick(
            waive,
            self.runtime,
            model=model,
            alias=alias,
            waiver=Waiver(rule=rule, path=path, owner=owner, reason=reason, expires=expires),
            request_id=request_id,
            validate_only=request.validate_only,
            principal=current_principal().name,
        )
        messages = recorded_waivers_to_proto(found)
        return policy_service_pb2.CreateWaiverResponse(waiver=messages[0] if messages else None)

    async def ListWaivers(
        self, request: policy_service_pb2.ListWaiversRequest, _context: Context
    ) -> policy_service_pb2.ListWaiversResponse:
        """See policy_service.proto."""
        with validating() as check:
            model = check.optional("model", request.model, model_name)
            page = check.page(request)
        found = await self.threads.quick(
            read_waivers,
            self.runtime,
            model=model,
            ended=request.show_ended,
            offset=page.offset,
            limit=page.limit,
        )
        shown, token = page.cut(recorded_waivers_to_proto(found))
        return policy_service_pb2.ListWaiversResponse(waivers=shown, next_page_token=token)

    async def RevokeWaiver(
        self, request: policy_service_pb2.RevokeWaiverRequest, _context: Context
    ) -> policy_service_pb2.RevokeWaiverResponse:
        """See policy_service.proto."""
        with validating() as check:
            ref = check.name("name", request.name, WaiverRef.parse)
            reason = check.text("reason", request.reason, required=True)
        found = await self.threads.quick(
            revoke_waiver,
            self.runtime,
            waiver=ref,
            reason=reason,
            principal=current_principal().name,
        )
        return policy_service_pb2.RevokeWaiverResponse(waiver=recorded_waivers_to_proto(found)[0])
