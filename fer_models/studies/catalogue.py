"""The studies by name.

A study is a module of this package with three functions, which imports nothing heavy at its top:

- `describe()` returns what it finds out, in one line.
- `add_arguments(parser)` adds its own options; `study_options` holds those that all studies have.
- `run(args)` does it and returns an `Outcome`. It can be stopped: the same call goes on.

`DATA` in it names the data sets that it takes, where these are not the faces of `study_options`.
"""

import importlib
from types import ModuleType

STUDIES = {
    "privacy-study": "privacy_study",
    "label-noise": "label_noise_study",
}


def study(name: str) -> ModuleType:
    """Return the module of a study.

    Args:
        name: A name of `STUDIES`.

    Raises:
        ValueError: If there is no study of that name.

    Example:

    >>> study("label-noise").describe()
    'what a model learns where a known share of the training labels is wrong'
    """
    if name not in STUDIES:
        raise ValueError(f"`name` must be one of {tuple(STUDIES)}. Received: name={name!r}")
    return importlib.import_module(f"fer_models.studies.{STUDIES[name]}")
