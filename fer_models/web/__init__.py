"""The live page: its server, and the networks of the browser's own engine.

Pictures of a camera go from the browser to this program and are dropped when they are answered; or,
with the page's own engine, they do not leave the browser at all.
"""

import importlib
from typing import TYPE_CHECKING, Any

__all__ = [
    "Limits",
    "LiveRecognizer",
    "LiveSession",
    "Server",
    "create_app",
    "default_engine_folder",
    "export_engine",
    "model_digest",
    "serve",
]

if TYPE_CHECKING:
    from fer_models.web.app import create_app
    from fer_models.web.browser_export import default_engine_folder, export_engine
    from fer_models.web.digest import model_digest
    from fer_models.web.limits import Limits
    from fer_models.web.server import Server, serve
    from fer_models.web.worker import LiveRecognizer, LiveSession

# Imported at their first use: the server needs FastAPI, the export does not, and the command's
# `--help` needs neither.
_NAMES = {
    "Limits": "limits",
    "LiveRecognizer": "worker",
    "LiveSession": "worker",
    "Server": "server",
    "create_app": "app",
    "default_engine_folder": "browser_export",
    "export_engine": "browser_export",
    "model_digest": "digest",
    "serve": "server",
}


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_NAMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
