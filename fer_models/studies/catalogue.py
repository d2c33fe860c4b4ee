"""The studies by name.

A study is a module of this package with three functions, which imports nothing heavy at its top:

- `describe()` returns what it finds out, in one line.
- `add_arguments(parser)` adds its own options; `study_options` holds those that all studies have.
- `run(args)` does it and returns an `Outcome`. It can be stopped: the same call goes on.

`FULL` in it has the defaults of a whole study, among them `seeds`. `DATA` in it names the data sets
that it takes, where these are not the faces of `study_options`.
"""

import importlib
from types import ModuleType

from fer_data.checks import check_choice

STUDIES = {
    "ghostface-table-5.1": "ghostface_table_accuracy",
    "ghostface-table-5.2": "ghostface_table_privacy",
    "ghostface-figures": "ghostface_figures",
    "ha3dnet-table-1": "ha3dnet_scenarios",
    "ha3dnet-table-2": "ha3dnet_ablation",
    "ha3dnet-tables-3-7": "ha3dnet_rivals",
    "ha3dnet-leak": "ha3dnet_leak",
    "resnet50-cbam-report": "resnet50_cbam_report",
    "webcam-cnn": "webcam_cnn",
    "privacy-study": "privacy_study",
    "exposed-faces": "exposed_faces",
    "private-features": "private_features",
    "label-noise": "label_noise_study",
    "smile-curve": "smile_curve",
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
    check_choice("name", name, tuple(STUDIES))
    return importlib.import_module(f"fer_models.studies.{STUDIES[name]}")
