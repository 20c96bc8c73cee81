"""What a bundle promises, for a serving process to hold what it has loaded against.

A bundle never changes, so neither does its contract: it is asked for once, in the
background, and kept beside the live bundles on disk, so that a process which starts
while trilock is down can still prove what it serves.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from trilock.client._resolver.cache import digest_of, replace_file
from trilock.client.errors import ContractError
from trilock.client.live import ServingBundle, plain_struct

if TYPE_CHECKING:
    from trilock.v1.bundle_pb2 import Bundle, FeatureSchema
    from trilock.v1.bundle_service_pb2 import GetBundleRequest, GetFeatureSchemaRequest

_FORMAT: Final = 1
_SUFFIX: Final = ".contracts.json"
_log: Final = logging.getLogger("trilock.client")


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleContract:
    """What was recorded of one bundle's model and features."""

    bundle: str
    """`models/{model}/bundles/{number}`."""
    registered_model: str
    """The model's name in the registry."""
    model_version: str
    """Its version there."""
    mlmodel_sha256: str
    """Digest of its MLmodel file, which holds the signature."""
    pipeline_revision: str
    """The commit of the pipeline."""
    feature_project: str
    """The Feast project that readers of the bundle read."""
    feature_service: str
    """The feature service."""
    contract_digest: str
    """Over what a consumer of the feature service sees."""
    semantics_digest: str
    """Over how its values are made."""
    objects: tuple[str, ...]
    """`kind/name` of every Feast definition that has a part in it."""
    columns: tuple[str, ...]
    """`view:feature` of every feature that is delivered, sorted."""

    @classmethod
    def from_messages(cls, bundle: Bundle, schema: FeatureSchema) -> Self:
        """Return the contract of *bundle*, whose feature schema is *schema*."""
        contract = plain_struct(schema.contract)
        return cls(
            bundle=bundle.name,
            registered_model=bundle.model_version.registered_model,
            model_version=bundle.model_version.version,
            mlmodel_sha256=bundle.model_version.mlmodel_sha256,
            pipeline_revision=bundle.pipeline_commit.revision,
            feature_project=schema.project,
            feature_service=schema.service,
            contract_digest=schema.contract_digest,
            semantics_digest=schema.semantics_digest,
            objects=tuple(sorted(f"{one.kind}/{one.name}" for one in schema.objects)),
            columns=tuple(f"{one['view']}:{one['name']}" for one in contract.get("features") or ()),
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the value whose fields are *data*.

        Raises:
            TypeError: They are of another version of this class.
        """
        lists = {name: tuple(data[name]) for name in ("objects", "columns") if name in data}
        return cls(**{**data, **lists})

    def is_of(self, bundle: ServingBundle) -> bool:
        """Whether it is the contract of this very bundle.

        A restored database may have given its number to another one.
        """
        return (
            self.bundle == bundle.bundle
            and self.registered_model == bundle.registered_model
            and self.model_version == bundle.model_version
            and self.pipeline_revision == bundle.pipeline_revision
            and self.feature_project == bundle.feature_project
            and self.feature_service == bundle.feature_service
        )


def contract_questions(
    bundle: ServingBundle,
) -> tuple[GetBundleRequest, Callable[[Bundle], GetFeatureSchemaRequest]]:
    """Return what to ask the server for the contract of *bundle*, and what to ask then."""
    # Imported here: a process without a slot never asks.
    from trilock.v1.bundle_service_pb2 import (  # noqa: PLC0415
        GetBundleRequest,
        GetFeatureSchemaRequest,
    )

    return (
        GetBundleRequest(name=bundle.bundle),
        lambda found: GetFeatureSchemaRequest(name=found.feature_schema.name),
    )


def content_of(bundle: ServingBundle) -> ServingBundle:
    """Return what makes two live bundles the same to load: all but release and epoch.

    A rollback is a new release of a bundle that is loaded already.
    """
    names = ServingBundle.__dataclass_fields__
    plain = ServingBundle(**{name: getattr(bundle, name) for name in names})
    return replace(plain, release="", sink_epoch=0)


class Contracts:
    """The contracts of the bundles that a slot holds: from memory, disk, or the server.

    Args:
        folder: Where they are kept; None for nowhere.
        ask: Asks the server for the contract of a bundle.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None,
        *,
        ask: Callable[[ServingBundle], BundleContract],
    ) -> None:
        self._folder = None if folder is None else Path(folder)
        self._ask = ask
        self._known: dict[str, BundleContract] = {}
        self._kept: frozenset[BundleContract] = frozenset()

    def load(self, alias: str) -> None:
        """Take what an earlier process has kept for *alias*."""
        if self._folder is None:
            return
        path = self._path(alias)
        try:
            envelope = json.loads(path.read_bytes())
            data = envelope["contracts"]
            if envelope["format"] != _FORMAT or envelope["sha256"] != digest_of(data):
                raise ValueError("its format or its digest is another")  # noqa: TRY301 - told below
            found = [BundleContract.from_json(one) for one in data]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("ignoring %s, which holds no intact contracts: %s", path, error)
            return
        self._known.update({contract.bundle: contract for contract in found})

    def of(self, bundle: ServingBundle) -> BundleContract:
        """Return the contract of *bundle*. Asks the server if it was never heard of.

        Raises:
            ContractError: The server has another bundle under its name.
            TrilockError: The server does not tell.
        """
        known = self._known.get(bundle.bundle)
        if known is None or not known.is_of(bundle):
            # In place readers read another project than the schema's own. What is defined
            # there is held against the contract, so it need not have that one's name.
            known = replace(self._ask(bundle), feature_project=bundle.feature_project)
        if not known.is_of(bundle):
            raise ContractError(
                f"the server has another {bundle.bundle} than the one that is live: "
                f"{known.registered_model} {known.model_version} of {known.pipeline_revision[:12]}",
                metadata={"bundle": bundle.bundle},
            )
        self._known[bundle.bundle] = known
        return known

    def keep(self, alias: str, *, bundles: Iterable[ServingBundle]) -> None:
        """Write the contracts of *bundles* to disk for the next process; forget all others."""
        wanted = {bundle.bundle for bundle in bundles}
        kept = {name: one for name, one in list(self._known.items()) if name in wanted}
        if self._folder is None or frozenset(kept.values()) == self._kept:
            return
        self._known = kept
        self._kept = frozenset(kept.values())
        data = [asdict(kept[name]) for name in sorted(kept)]
        # As JSON will read it again: its digest is over lists, not tuples.
        data = json.loads(json.dumps(data))
        envelope = {"format": _FORMAT, "sha256": digest_of(data), "contracts": data}
        with contextlib.suppress(OSError):  # the disk's trouble is told by the live bundles
            replace_file(self._path(alias), json.dumps(envelope).encode())

    def _path(self, alias: str) -> Path:
        assert self._folder is not None, "asked for only with a folder"  # noqa: S101 - for the type
        return self._folder / f"{alias.replace('/', '.')}{_SUFFIX}"
