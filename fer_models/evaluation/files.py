"""Writing a picture so that a half-written one never stands under its name."""

import os
import tempfile
from pathlib import Path


def save_figure(figure, path, dpi=150):
    """Write a figure to a temporary name beside `path`, then rename it.

    Args:
        figure: A `matplotlib.figure.Figure`.
        path: File name; its ending (`.png`, `.svg`, `.pdf`, ...) chooses the format.
        dpi: Pixels an inch.

    Returns:
        The path, as a `pathlib.Path`.

    Raises:
        ValueError: If the ending is none that matplotlib can write.
    """
    path = Path(path)
    kind = path.suffix.lstrip(".").lower()
    known = figure.canvas.get_supported_filetypes()
    if kind not in known:
        raise ValueError(
            f"`path` must end in one of {', '.join('.' + name for name in sorted(known))}. "
            f"Received: path={str(path)!r}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            figure.savefig(file, format=kind, dpi=dpi, facecolor="white")
        # mkstemp makes files only their owner can read.
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path
