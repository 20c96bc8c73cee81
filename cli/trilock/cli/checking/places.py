"""Where in a feature repository's Python something is defined; nothing is imported for it.

Best effort, for annotations: a name that is made up while the code runs is not
found, and then the file that every repository has stands for all of it.
"""

import ast
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from trilock.cli.output.outcome import Place

SETTINGS: Final = "feature_store.yaml"

_VIEWS: Final = frozenset({"FeatureView", "BatchFeatureView", "StreamFeatureView", "LabelView"})
_DECORATED: Final = frozenset(
    {"on_demand_feature_view", "stream_feature_view", "batch_feature_view"}
)
_LEFT_OUT: Final = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})
_MAX_FILES: Final = 2_000


class Places:
    """What the Python files below *root* define, and where.

    Args:
        root: The folder of feature_store.yaml.
    """

    def __init__(self, root: Path) -> None:
        self.settings = Place(file=_shown(root / SETTINGS), line=1)
        self._services: dict[str, Place] = {}
        self._views: dict[str, Place] = {}
        self._fields: dict[tuple[str, str], Place] = {}
        for file in sorted(_python_files(root))[:_MAX_FILES]:
            try:
                tree = ast.parse(file.read_bytes())
            except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
                continue
            self._index(tree, file=_shown(file))

    def find(self, path: str, *, service: str) -> Place:
        """Return where to look for *path*: `view:feature`, or a column's name.

        Args:
            path: As a finding has it, without the name of a bundle in front.
            service: The feature service that it is read through.
        """
        view, colon, feature = path.partition(":")
        if colon:
            found = self._fields.get((view, feature)) or self._views.get(view)
        else:
            named = [place for (_, name), place in self._fields.items() if name == path]
            found = min(named, default=None)
        return found or self._services.get(service) or self.settings

    def _index(self, tree: ast.AST, *, file: str) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                self._index_call(node, file=file)
            elif isinstance(node, ast.FunctionDef):
                for decorator in node.decorator_list:
                    if isinstance(decorator, ast.Call) and _callee(decorator) in _DECORATED:
                        name = _name(decorator) or node.name
                        self._index_view(decorator, name=name, file=file)

    def _index_call(self, call: ast.Call, *, file: str) -> None:
        callee, name = _callee(call), _name(call)
        if name is None:
            return
        if callee == "FeatureService":
            self._services.setdefault(name, Place(file=file, line=call.lineno))
        elif callee in _VIEWS:
            self._index_view(call, name=name, file=file)

    def _index_view(self, call: ast.Call, *, name: str, file: str) -> None:
        self._views.setdefault(name, Place(file=file, line=call.lineno))
        for inner in ast.walk(call):
            if isinstance(inner, ast.Call) and _callee(inner) == "Field":
                field = _name(inner)
                if field is not None:
                    place = Place(file=file, line=inner.lineno)
                    self._fields.setdefault((name, field), place)


def _python_files(root: Path) -> Iterator[Path]:
    for folder, inner, files in os.walk(root):
        inner[:] = [name for name in inner if name not in _LEFT_OUT and not name.startswith(".")]
        yield from (Path(folder, name) for name in files if name.endswith(".py"))


def _callee(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _name(call: ast.Call) -> str | None:
    named = [keyword.value for keyword in call.keywords if keyword.arg == "name"]
    match [*named, *call.args][:1]:
        case [ast.Constant(value=str(name))]:
            return name
        case _:
            return None


def _shown(file: Path) -> str:
    here = Path.cwd()
    full = file.absolute()
    return (full.relative_to(here) if full.is_relative_to(here) else full).as_posix()
