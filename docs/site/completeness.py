"""Warn, which fails the build, of public names that the built reference does not describe."""

import importlib
import logging
import types
import zlib
from pathlib import Path

log = logging.getLogger("mkdocs.hooks.completeness")
PACKAGES = (
    "fer_layers",
    "fer_models",
    "fer_models.auditing",
    "fer_models.compat",
    "fer_models.evaluation",
    "fer_models.explain",
    "fer_models.export",
    "fer_models.privacy",
    "fer_models.recognizer",
    "fer_models.robustness",
    "fer_models.runtime",
    "fer_models.spotting",
    "fer_models.studies",
    "fer_models.training.recipes",
    "fer_models.web",
    "fer_data.faces",
    "fer_data.pipelines.augmentation",
    "fer_data.protocols",
    "fer_data.synthetic",
    "fer_data.video",
)


def described(inventory):
    """Return the names in a file `objects.inv`, which Sphinx and mkdocstrings both write."""
    data = Path(inventory).read_bytes()
    for _ in range(4):  # lines of text before what is compressed
        data = data[data.index(b"\n") + 1 :]
    return {line.split()[0] for line in zlib.decompress(data).decode().splitlines()}


def missing(names):
    """Return the public functions and classes that are not among `names`."""
    lacking = []
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            thing = getattr(module, name)
            if isinstance(thing, types.ModuleType) or not callable(thing):
                continue
            if not {f"{package}.{name}", f"{thing.__module__}.{name}"} & names:
                lacking.append(f"{package}.{name}")
    return lacking


def on_post_build(config, **_):
    """Called by MkDocs at the end."""
    for name in missing(described(Path(config.site_dir, "objects.inv"))):
        log.warning("%s is on no page of the reference", name)
