"""What is in the wheel: everything that is needed at run time, and nothing else."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser

import pytest
from helpers.shared import ROOT

PACKAGES = ("fer_data", "fer_layers", "fer_models")


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def source_files():
    """Return the files of the packages that are neither caches nor compiled."""
    return {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_packages_are_typed():
    for package in PACKAGES:
        assert (ROOT / package / "py.typed").is_file()
    assert "Typing :: Typed" in project()["classifiers"]


def test_pages_name_the_files_of_this_version():
    pages = (
        "docs/index.md",
        "docs/webcam.md",
        "packaging/lite/README.md",
        "packages/web/README.md",
    )
    named = re.compile(r"fer[_-]keras(?:[_-](?:lite|web))?-(\d.*?)(?:-py3|\.tgz)")
    npm = json.loads((ROOT / "packages/web/package.json").read_text(encoding="utf-8"))["version"]
    found = {page: named.findall((ROOT / page).read_text(encoding="utf-8")) for page in pages}
    assert all(found.values())
    assert {version for each in found.values() for version in each} == {project()["version"], npm}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, ROOT]
    made = subprocess.run(command, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield path, opened


@pytest.mark.slow
def test_wheel_holds_the_packages_and_nothing_else(wheel):
    path, opened = wheel
    names = {name for name in opened.namelist() if ".dist-info/" not in name}
    assert path.name == f"fer_keras-{project()['version']}-py3-none-any.whl"
    assert names == source_files()
    for package in PACKAGES:
        assert f"{package}/py.typed" in names
    for weights in (
        "efficientface_fer2013",
        "ghostface_fer2013",
        "ghostface_ferplus",
        "pretrained_classifier_large",
    ):
        files = {f"{weights}.{end}" for end in ("npz", "json", "tflite")}
        assert {f"fer_models/zoo/weights/{file}" for file in files} <= names
    networks = {"mtcnn_pnet.tflite", "face_detection_yunet_2023mar.onnx", "LICENSE-mtcnn.txt"}
    assert {f"fer_data/faces/networks/{file}" for file in networks} <= names
    assert "fer_models/auditing/page.css" in names
    assert {name.split("/")[0] for name in names} == set(PACKAGES)


@pytest.mark.slow
def test_weights_in_the_wheel_are_small(wheel):
    for item in wheel[1].infolist():
        if item.filename.endswith(".npz"):
            assert item.file_size < 4_000_000, item.filename
        if item.filename.endswith((".tflite", ".onnx")):
            assert item.file_size < 6_000_000, item.filename
    assert wheel[0].stat().st_size < 30_000_000


@pytest.mark.slow
def test_wheel_says_what_it_is(wheel):
    opened = wheel[1]
    version = project()["version"]
    folder = f"fer_keras-{version}.dist-info"
    said = Parser().parsestr(opened.read(f"{folder}/METADATA").decode())
    assert said["Version"] == version
    assert said["License-Expression"] == "MIT"
    assert said["Requires-Python"] == "<3.14,>=3.11"
    assert said["Description-Content-Type"] == "text/markdown"
    assert f"{folder}/licenses/LICENSE" in opened.namelist()
    extras = set(said.get_all("Provides-Extra"))
    assert extras == set(project()["optional-dependencies"])
