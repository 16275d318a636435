"""What a piece of Python reads: modules of ours that it imports, files."""

import ast
import hashlib
import platform
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

OURS = ("laidout", "figures")


_KNOWN: dict[tuple[tuple[Path, ...], Path, int], set[Path]] = {}


class ModuleFinder:
    """Finds our modules and all that they import, without running them."""

    def __init__(self, roots: Iterable[Path]) -> None:
        self.roots = tuple(roots)

    def closure(self, code: str) -> set[Path]:
        """Return the files of all our modules that the code imports."""
        found: set[Path] = set()
        waiting = self._imported(ast.parse(code), package="")
        while waiting:
            path = waiting.pop()
            if path not in found:
                found.add(path)
                waiting |= self._imported_by(path)
        return found

    def _imported_by(self, path: Path) -> set[Path]:
        """Return what a file imports; each state of it is parsed once."""
        state = (self.roots, path, path.stat().st_mtime_ns)
        if state not in _KNOWN:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            _KNOWN[state] = self._imported(tree, self._package(path))
        return _KNOWN[state]

    def _imported(self, tree: ast.AST, package: str) -> set[Path]:
        names: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    above = package.split(".")[: 1 - node.level or None]
                    base = ".".join([*above, base]).strip(".")
                names |= {base, *(f"{base}.{a.name}" for a in node.names)}
        ours = {name for name in names if name.split(".")[0] in OURS}
        parents = {
            ".".join(name.split(".")[:end])
            for name in ours
            for end in range(1, name.count(".") + 2)
        }
        files = (self.file(name) for name in parents)
        return {path for path in files if path is not None}

    def _package(self, path: Path) -> str:
        """Return the dotted name of the package that holds a file."""
        root = next(r for r in self.roots if path.is_relative_to(r))
        return ".".join(path.relative_to(root).parent.parts)

    def file(self, module: str) -> Path | None:
        """Return the file of a module of ours, if there is one."""
        for root in self.roots:
            base = root.joinpath(*module.split("."))
            for path in (base.with_suffix(".py"), base / "__init__.py"):
                if path.is_file():
                    return path
        return None


@lru_cache(maxsize=1)
def environment() -> str:
    """Say which Python, PyTorch and Matplotlib compute the results."""
    packages = ("torch", "numpy", "matplotlib", "ipykernel")
    versions = [f"{name} {version(name)}" for name in packages]
    return " ".join([f"Python {platform.python_version()}", *versions])


def digest(files: Iterable[Path], *words: str) -> str:
    """Return a digest of files, their names and some words."""
    total = hashlib.sha256("\0".join((environment(), *words)).encode())
    for path in sorted(files):
        total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]
