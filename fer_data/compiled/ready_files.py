"""Ready networks that come with the packages: files, and a manifest with their SHA-256."""

import hashlib
import json
from pathlib import Path
from typing import Any

MANIFEST = "ready.json"


def entries(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the manifest's entry of each network in a folder, by name; empty without a manifest.

    Args:
        folder: Folder of the networks.

    Returns:
        Dictionary of dictionaries: `file`, `bytes`, `sha256`, `source` (the file it was made from),
        `source_sha256`, `made_with` (versions) and `licence`.
    """
    path = folder / MANIFEST
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def read(folder: Path, name: str) -> bytes:
    """Return the bytes of a ready network, after checking its SHA-256.

    Args:
        folder: Folder of the networks.
        name: Name of the network.

    Raises:
        ValueError: If the file's SHA-256 is not the manifest's.
    """
    known = entries(folder)[name]
    content = (folder / known["file"]).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != known["sha256"]:
        raise ValueError(
            f"The network {known['file']!r} is damaged: its SHA-256 must be {known['sha256']}. "
            f"Received: {found}. Reinstall fer-keras."
        )
    return content


def described(path: Path, **more: Any) -> dict[str, Any]:
    """Return the manifest's entry of a file.

    Args:
        path: The file.
        **more: Further fields of the entry.
    """
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return {"file": path.name, "bytes": len(content), "sha256": digest, **more}
