"""What an installed wheel of fer-keras-lite must be able to do; run by the Python it is for.

    python installed_lite.py PHOTO

Prints how large its packages are.
"""

import importlib.metadata
import importlib.util
import pathlib
import subprocess
import sys

import fer_data
import fer_models
from fer_models.compat import FER, DeepFace

photo = pathlib.Path(sys.argv[1])
for package in (fer_data, fer_models):
    folder = pathlib.Path(package.__file__).parent
    assert folder.is_relative_to(sys.prefix), f"{folder} is not what was installed"
    assert (folder / "py.typed").is_file(), f"{folder} is not typed"
for name in ("keras", "tensorflow", "scipy", "matplotlib", "sklearn", "fer_layers"):
    assert importlib.util.find_spec(name) is None, f"{name} is installed"

for detector in ("mtcnn", "retinaface", "yunet"):
    for weights in ("efficientface:fer2013", "fer2013", "ferplus", "large"):
        (face,) = fer_models.Recognizer(weights, detector).photo(photo)
        assert abs(sum(face.probabilities.values()) - 1) < 1e-3, face
        assert face.pose is not None, face
assert FER().detect_emotions(str(photo))[0]["emotions"].keys() == face.probabilities.keys()
assert DeepFace.analyze(str(photo))[0]["dominant_emotion"] in face.probabilities


def refused(what, *words):
    try:
        what()
    except ImportError as error:
        text = str(error)
    else:
        raise AssertionError(f"{what} found what is not installed")
    for word in ("then pip install .", "pip uninstall fer-keras-lite", *words):
        assert word in text, text


refused(lambda: fer_models.ghostface, "fer_models.ghostface")
refused(lambda: fer_models.training, "fer_models.training")
refused(lambda: fer_data.faces.align_clip, "fer_data.faces.align_clip")
refused(lambda: fer_models.Recognizer("my.keras"), "my.keras")
refused(lambda: fer_data.faces.detector("retinaface", through_keras=True), "retinaface")


def fer(*words):
    command = pathlib.Path(sys.executable).with_name("fer")
    return subprocess.run([command, *words], capture_output=True, text=True)


done = fer("recognise", str(photo))
assert (done.returncode, done.stderr) == (0, ""), done
assert done.stdout.startswith(f"{photo.name}: "), done.stdout
done = fer("train", "--data", "folder")
assert done.returncode == 2, done
assert "then pip install ." in done.stderr, done.stderr
version = importlib.metadata.version("fer-keras-lite")
assert fer("--version").stdout == f"fer-keras-lite {version}\n"

sizes = {}
for distribution in importlib.metadata.distributions():
    files = [distribution.locate_file(path) for path in distribution.files or ()]
    sizes[distribution.name] = sum(path.stat().st_size for path in files if path.is_file())
print(f"fer-keras-lite {version} works on Python {sys.version.split()[0]}; megabytes installed:")
for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
    print(f"  {name} {size / 1e6:.1f}")
site = pathlib.Path(fer_models.__file__).parents[1]
whole = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
print(f"  site-packages, pip included: {whole / 1e6:.1f}")
