"""Every study keeps to the contract of the catalogue."""

import argparse
import subprocess
import sys

import pytest

from fer_models.cli.main import Parser
from fer_models.studies import STUDIES, study
from fer_models.studies.study_options import add_study_arguments, settled


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_describes_itself_and_takes_options(name):
    module = study(name)
    assert "\n" not in module.describe()
    assert callable(module.run)
    parser = Parser()
    add_study_arguments(parser, name, seeds=study(name).FULL["seeds"])
    module.add_arguments(parser)
    args = parser.parse_args(["--quick", "--seeds", "2"])
    assert args.output == f"runs/{name}"
    assert settled(args, module.FULL, module.QUICK)["seeds"] == 2


def test_an_unknown_study():
    with pytest.raises(ValueError, match="`name` must be one of"):
        study("ghostface")


def test_a_quick_study_is_of_drawn_faces():
    args = argparse.Namespace(quick=True, data="fer2013")
    with pytest.raises(ValueError, match="--quick runs on drawn faces"):
        settled(args, {}, {})


def test_listing_the_studies_imports_nothing_heavy():
    script = (
        "import sys; from fer_models.studies import STUDIES, study; "
        "[study(name).describe() for name in STUDIES]; "
        "print(*{'keras', 'tensorflow', 'cv2', 'sklearn'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert not found.stdout.split()


def test_the_data_are_some_of_the_library_s():
    labelled = pytest.importorskip("fer_data.pipelines.labelled_faces")
    from fer_models.studies.study_options import DATA

    assert set(DATA) <= set(labelled.FACES)
