"""The demo has a process of its own; a test that runs a part of it here leaves nothing set."""

import os
import sys
from collections.abc import Iterator
from unittest import mock

import pytest


@pytest.fixture(autouse=True, scope="module")
def mlflow_as_before() -> Iterator[None]:
    """Take back where the demo points MLflow: every later test of this process would go there."""
    with mock.patch.dict(os.environ):
        yield
        mlflow = sys.modules.get("mlflow")
        if mlflow is not None:
            mlflow.set_tracking_uri(None)
            mlflow.set_registry_uri(None)
