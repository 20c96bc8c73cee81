"""The bundle that is to go live fits what is really there, now (I2)."""

from typing import ClassVar

from trilock.compat import Report
from trilock.server.checks.compatibility import Judge
from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.domain.operation import Json
from trilock.server.domain.ports import Connections
from trilock.server.store.database import Database


class BundleFits:
    """Implements Gate. Args: alias, bundle; together: bundles by alias, if there are others."""

    name: ClassVar[str] = "bundle_fits"
    timeout: ClassVar[float] = 10.0

    def __init__(self, database: Database, connections: Connections) -> None:
        self._judge = Judge(database, connections)

    def require(self, args: Json) -> None:
        """Do nothing if nothing forbids the bundle to go live. Raises like `report`."""
        self.report(args)

    def report(self, args: Json) -> Report:
        """Return the report on a bundle that may go live.

        Raises:
            IncompatibleError: A finding forbids it.
            UndecidableError: Evidence is missing.
            NotReadyError: The model version is not what was recorded.
            NotFoundError: The model version is gone.
            PlaneUnavailableError: The registry does not answer.
        """
        return self._judge.require_promotable(
            alias=AliasRef.parse(args["alias"]),
            bundle=BundleRef.parse(args["bundle"]),
            together={
                AliasRef.parse(alias): BundleRef.parse(bundle)
                for alias, bundle in args.get("together", {}).items()
            },
        )
