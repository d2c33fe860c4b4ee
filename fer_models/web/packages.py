"""The packages that the server and the export need besides the library."""

import importlib.util
from collections.abc import Iterable

from fer_data.whole import how_to_install

SERVER = ("fastapi", "uvicorn", "websockets")
EXPORT = ("mtcnn", "onnx", "onnxruntime", "tf2onnx")


def check_server_packages() -> None:
    """Raise `ImportError` if a package of the server is missing, before anything slow is loaded."""
    _check("The page", SERVER, "web")


def check_export_packages() -> None:
    """Raise `ImportError` if a package of the export is missing, as for the server."""
    _check("The export of the page's own engine", EXPORT, "faces", "web", "export")


def _check(what: str, names: Iterable[str], *extras: str) -> None:
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"{what} needs {', '.join(missing)}. {how_to_install(*extras)}")
