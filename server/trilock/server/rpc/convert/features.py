"""Feature projects as messages."""

from trilock.server.domain.ports import ViewState
from trilock.server.rpc.convert.fields import rows_of, timestamp
from trilock.server.usecases.feature_projects import FeatureProject
from trilock.server.watching.retirer import Retirement
from trilock.v1 import feature_service_pb2


def view_to_proto(view: ViewState) -> feature_service_pb2.FeatureViewState:
    """Return the message of *view*."""
    return feature_service_pb2.FeatureViewState(
        view=view.view,
        rows=rows_of(view.rows),
        fed_until_time=timestamp(view.fed_until),
        fed_from_time=timestamp(view.fed_from),
        cold=view.cold,
    )


def feature_project_to_proto(project: FeatureProject) -> feature_service_pb2.FeatureProject:
    """Return the message of *project*."""
    return feature_service_pb2.FeatureProject(
        project=project.project,
        feature_schema=str(project.schema.ref),
        releases=[str(release) for release in project.releases],
        views=[view_to_proto(view) for view in project.views],
        error=project.error,
    )


def retirement_to_proto(retirement: Retirement) -> feature_service_pb2.Retirement:
    """Return the message of *retirement*."""
    return feature_service_pb2.Retirement(
        project=retirement.schema.project,
        feature_schema=str(retirement.schema.ref),
        needed_until_time=timestamp(retirement.needed_until),
        retire_time=timestamp(retirement.due),
        retired=retirement.retired,
        remains=retirement.remains,
        error=retirement.error,
    )
