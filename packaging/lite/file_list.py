"""Puts the files of files.txt into the wheel of fer-keras-lite."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class FileList(BuildHookInterface):
    """Reads files.txt: one pattern a line, from the root of the source tree."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name each file and its place in the wheel.

        Args:
            version: Kind of the build.
            build_data: What hatchling reads; `force_include` gets the files.

        Raises:
            FileNotFoundError: If a pattern finds nothing.
        """
        here = Path(self.root)
        root = here.parents[1]
        for pattern in (here / "files.txt").read_text(encoding="utf-8").split():
            files = [
                path
                for path in sorted(root.glob(pattern))
                if path.is_file() and "__pycache__" not in path.parts
            ]
            if not files:
                raise FileNotFoundError(f"files.txt names {pattern}, and there is no such file.")
            for path in files:
                build_data["force_include"][str(path)] = path.relative_to(root).as_posix()
