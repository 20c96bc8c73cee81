"""`trilock` is a namespace: one stray __init__.py would hide whole folders."""

import importlib
from importlib.util import find_spec

import pytest

GENERIC = ["protos", "server", "client", "cli", "compat", "migrations"]


def test_the_root_is_a_namespace() -> None:
    spec = find_spec("trilock")

    assert spec is not None
    assert spec.origin is None


@pytest.mark.parametrize("portion", ["v1.bundle_pb2", "compat", "client", "server", "migrations"])
def test_every_portion_is_importable(portion: str) -> None:
    importlib.import_module(f"trilock.{portion}")


@pytest.mark.parametrize("name", GENERIC)
def test_no_generic_name_is_a_real_package(name: str) -> None:
    spec = find_spec(name)

    assert spec is None or spec.origin is None
