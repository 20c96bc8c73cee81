"""What a transformation does, as a digest that survives everything else.

Only the source text counts: the pickled body changes with the file's place, the
line number and the hash seed (research/feast.md, section 2.4), and to read it
would be to run it. The text is compared as a syntax tree, so comments, layout,
decorators and docstrings do not count. The tree is spelled in our own words,
because `ast.dump` and `ast.unparse` differ between Python minors.

Not seen: globals, helpers and imported packages. The pipeline commit covers them.
"""

import ast
import hashlib
import json
import textwrap
from collections.abc import Mapping
from typing import Any, Final

# Fields that only some minors have, or that say how and not what.
_SKIPPED: Final = frozenset({"ctx", "type_comment", "kind", "type_ignores", "type_params"})


def transformation_form(function: Mapping[str, Any]) -> Mapping[str, str]:
    """Return what counts of a UserDefinedFunction proto, as JSON.

    Args:
        function: The proto as a JSON-like dict; `body` is not looked at if there is a text.
    """
    form = {"name": str(function.get("name", "")), "mode": str(function.get("mode", ""))}
    text = function.get("body_text")
    if isinstance(text, str) and text.strip():
        return {**form, **_source_form(text)}
    # No source was recorded. The body is all there is: stable only by luck, so a
    # change may be reported where there is none, but never the other way round.
    return {**form, "body": body_digest(function) or ""}


def body_digest(function: Mapping[str, Any]) -> str | None:
    """Return the digest of the pickled body, which is never loaded; None if there is none."""
    body = function.get("body")
    if not isinstance(body, str) or not body:
        return None
    return hashlib.sha256(body.encode()).hexdigest()


def _source_form(text: str) -> Mapping[str, str]:
    source = textwrap.dedent(text)
    try:
        spelled = json.dumps(_spell(_without_ornaments(ast.parse(source))))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        # A lambda cut out of an expression, or syntax newer than this interpreter.
        return {"text": hashlib.sha256(source.strip().encode(errors="replace")).hexdigest()}
    return {"tree": hashlib.sha256(spelled.encode()).hexdigest()}


def _without_ornaments(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            node.decorator_list = []
            if len(node.body) > 1 and _is_text(node.body[0]):
                node.body = node.body[1:]
    return tree


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _spell(node: object) -> Any:  # noqa: ANN401 - any JSON value
    match node:
        case ast.Constant(value=value):
            return ["Constant", type(value).__name__, _literal(value)]
        case ast.AST():
            # Python 3.13 leaves out what is empty, older ones say None or [].
            fields = [
                [name, _spell(value)]
                for name in sorted(node._fields)
                if name not in _SKIPPED and (value := getattr(node, name, None)) not in (None, [])
            ]
            return [type(node).__name__, *fields]
        case list():
            return [_spell(item) for item in node]
        case _:
            return str(node)


def _literal(value: object) -> str:
    # repr() of a text depends on the interpreter's Unicode tables, and str() of a
    # long int on a limit; these do not.
    match value:
        case str():
            return value
        case bytes():
            return value.hex()
        case int() if not isinstance(value, bool):
            return hex(value)
        case _:
            return repr(value)
