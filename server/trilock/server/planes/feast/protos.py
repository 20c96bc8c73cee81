"""Feast's generated protos, without Feast.

`import feast` takes seconds, changes warning filters and pulls in half of
PyPI; its protos alone take 60 ms. The generated modules name each other
`feast.protos...`, so while they are imported a package without code stands in
for `feast`; afterwards it is gone, and a real `import feast` works as ever and
finds the same message classes.
"""

import importlib
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from types import MappingProxyType, ModuleType
from typing import Any, Final

from google.protobuf.message import Message

_CORE: Final = "feast.protos.feast.core"
_import_lock: Final = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of registry object and the message it is stored as."""

    name: str
    message: Callable[[], Any]
    """Makes an empty one. Vendors' messages are untyped, so `Any`."""
    is_view: bool


@cache
def kinds() -> Mapping[str, Kind]:
    """Return every kind that a capture can hold, by name, in the order of writing.

    What others refer to comes first, for readers that see half of a slow copy.
    """
    messages = {
        "entity": ("Entity_pb2", "Entity"),
        "data_source": ("DataSource_pb2", "DataSource"),
        "feature_view": ("FeatureView_pb2", "FeatureView"),
        "stream_feature_view": ("StreamFeatureView_pb2", "StreamFeatureView"),
        "on_demand_feature_view": ("OnDemandFeatureView_pb2", "OnDemandFeatureView"),
        "label_view": ("LabelView_pb2", "LabelView"),
        "feature_service": ("FeatureService_pb2", "FeatureService"),
    }
    return MappingProxyType(
        {
            name: Kind(
                name=name, message=message_class(module, message), is_view=name.endswith("_view")
            )
            for name, (module, message) in messages.items()
        }
    )


def parse(kind: str, proto: bytes) -> Any:  # noqa: ANN401 - vendors' messages are untyped
    """Return the message that *proto* holds. Runs no code of the user."""
    message = kinds()[kind].message()
    message.ParseFromString(proto)
    return message


@cache
def message_class(module: str, name: str) -> type[Message]:
    """Return message *name* of Feast's generated *module*, such as `Project_pb2`."""
    with _import_lock:
        if "feast" in sys.modules:
            loaded = importlib.import_module(f"{_CORE}.{module}")
        else:
            loaded = _import_beside_feast(f"{_CORE}.{module}")
    found: type[Message] = getattr(loaded, name)
    return found


def _import_beside_feast(name: str) -> ModuleType:
    spec = PathFinder.find_spec("feast")
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError("feast is not installed: install trilock[server]", name="feast")
    stand_in = ModuleType("feast")
    stand_in.__path__ = list(spec.submodule_search_locations)
    sys.modules["feast"] = stand_in
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules["feast"]
