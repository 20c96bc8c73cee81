"""What of a Feast message is no definition, as rules for who walks its bytes."""

from typing import Final

from google.protobuf.descriptor import Descriptor

from trilock.server.planes.feast import protos
from trilock.server.planes.feast.definitions import WITH_META, WITH_PROJECT

Rules = dict[str, dict[str, str]]
"""By message, then by number of the field: `drop`, `drop:TEXT` for that text only, or the
message that is inside. A field without a rule counts as it is."""

_BODIES: Final = frozenset({"UserDefinedFunction", "UserDefinedFunctionV2"})


def noise_rules() -> Rules:
    """Return the rules for every message that an object of a registry can hold.

    Serialised bodies are left out: they differ by folder and process, and their text
    is beside them.
    """
    rules: Rules = {}
    pending: list[Descriptor] = [_descriptor(name) for name in protos.kinds()]
    while pending:
        message = pending.pop()
        if message.full_name in rules or message.full_name.startswith("google."):
            continue
        fields = rules[message.full_name] = {}
        for field in message.fields:
            rule = _rule(message.name, field.name)
            inner = field.message_type
            if rule:
                fields[str(field.number)] = rule
            elif inner is not None and not inner.full_name.startswith("google."):
                fields[str(field.number)] = inner.full_name
                pending.append(inner)
    return rules


def roots() -> dict[str, str]:
    """Return the message of every kind."""
    return {name: _descriptor(name).full_name for name in protos.kinds()}


def _descriptor(kind: str) -> Descriptor:
    found: Descriptor = protos.kinds()[kind].message().DESCRIPTOR
    return found


def _rule(message: str, field: str) -> str:
    if (message in WITH_META and field == "meta") or (message in _BODIES and field == "body"):
        return "drop"
    if message in WITH_PROJECT:
        if field in {"project", "data_source_class_type"}:
            return "drop"
        if field == "version":
            return "drop:latest"
    return ""
