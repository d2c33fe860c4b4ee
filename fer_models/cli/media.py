"""Shared by the commands for photos and videos: choices, and checks made at once."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fer_models.cli.running import UsageError

# As the libraries have them, which a test compares: `--help` is too quick for these.
DETECTORS = ("mtcnn", "retinaface", "yunet", "dlib_hog", "dlib_cnn")
PHOTOS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".m4v", ".webm", ".mpg", ".mpeg", ".wmv")
WEIGHTS_HELP = (
    "bundled weights as NAME:TAG or TAG alone (`fer weights` lists them), a .keras or .h5 file, or "
    "hf://NAMESPACE/MODEL"
)


def check_input(path: Path, videos: bool = True) -> None:
    """Refuse what is not there, and what is neither a folder nor named as a photo or video.

    Args:
        path: What the user gave.
        videos: Whether videos are taken.
    """
    if not path.exists():
        raise UsageError(f"there is no photo{', video' if videos else ''} or folder at {path}")
    known = PHOTOS + VIDEOS if videos else PHOTOS
    if not path.is_dir() and path.suffix.lower() not in known:
        video = f"a video ({', '.join(VIDEOS)}) " if videos else ""
        raise UsageError(f"{path} must be a photo ({', '.join(PHOTOS)}), {video}or a folder")


def own_folder(
    parent: Path, source: Path, record: str, owner: Callable[[dict[str, Any]], str]
) -> Path:
    """Return the folder for an input's results: its own from last time, or a free one.

    Args:
        parent: Folder of the results of all inputs.
        source: The input, whose name the folder takes, with a number if others have it.
        record: Name of the JSON file that says whose results are in a folder.
        owner: Returns the input from the content of that file.
    """
    from fer_data.files import is_free, read_json

    name = source.stem if source.is_file() else source.resolve().name
    for number in itertools.count(1):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            held = os.path.abspath(owner(read_json(folder / record)))
        except FileNotFoundError:
            if is_free(folder):
                return folder
        except (OSError, ValueError, KeyError, TypeError):
            # Somebody else's.
            continue
        else:
            if held == os.path.abspath(source):
                return folder
    raise AssertionError("numbers have no end")


def check_output(folder: Path) -> None:
    """Refuse an output folder whose place, or that of a folder above it, a file takes."""
    for place in (folder, *folder.parents):
        if place.is_dir():
            return
        if place.exists():
            raise UsageError(f"--output must be a folder, and {place} is a file")


def counted(number: int, thing: str) -> str:
    """Return a number with its noun.

    Example:

    >>> counted(1, "photo"), counted(3, "photo")
    ('1 photo', '3 photos')
    """
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
