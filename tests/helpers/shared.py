"""Where the optional material lies that tests may use but a user does not have."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def shared_path(relative):
    """Return the path of a shared file, or skip the calling test where it is absent."""
    base = Path(os.environ.get("FER_SHARED", ROOT.parent / "shared"))
    path = base / relative
    if not path.exists():
        pytest.skip(f"shared material {relative!r} is not here (set FER_SHARED to its folder)")
    return path
