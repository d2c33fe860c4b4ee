"""What the packages `fer` and `deepface` give, as names and types, to compare ours with.

    PYTHON_OF_THE_PACKAGE tests/helpers/peer_outputs.py fer|deepface PHOTO VIDEO

Run by the Python of an environment that has the package; adds what it finds to
tests/data/peer_outputs.json. The weights of deepface's network cannot be fetched everywhere: its
answer is replaced by seven numbers, all else is deepface's own. It needs OpenCV before 5, in which
the Haar cascades still lie.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

FILE = Path(__file__).parents[1] / "data" / "peer_outputs.json"


def shape_of(value):
    """Return names and types of nested values; of a list, those of its first value."""
    if isinstance(value, dict):
        return {key: shape_of(each) for key, each in value.items()}
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    if isinstance(value, (list, tuple)):
        # A box or a point: so many numbers. Of faces and pictures, there may be more.
        if value and isinstance(value[0], (dict, list)):
            return [shape_of(value[0])]
        return [type(value).__name__, *map(shape_of, value)]
    if isinstance(value, np.floating):
        return "float"
    return type(value).__name__


def video_shapes(analyzer, video, open_video):
    """Return what `Video.analyze` gives and writes, in an empty folder."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            rows = open_video(video).analyze(analyzer, display=False, frequency=5)
            frame = open_video(video).analyze(
                analyzer, output="pandas", save_frames=False, save_video=False, max_results=2
            )
            files = sorted(str(path) for path in Path().rglob("*") if path.is_file())
            header = Path("data.csv").read_text().splitlines()[0]
        finally:
            os.chdir(before)
    return {
        "rows": shape_of(rows),
        "columns": list(frame.columns),
        "table_rows": len(frame),
        "files": files,
        "header": header,
    }


def of_fer(photo, video):
    import cv2
    import fer
    from fer.classes import Video
    from fer.fer import FER

    # It asks for keys and closes windows whether it shows any or not; headless builds have neither.
    cv2.waitKey, cv2.destroyAllWindows = (lambda delay: -1), (lambda: None)
    image, analyzer = cv2.imread(photo), FER()
    blank = np.full((120, 160, 3), 128, np.uint8)
    return {
        "version": fer.__version__,
        "detect_emotions": shape_of(analyzer.detect_emotions(image)),
        "order": list(analyzer.detect_emotions(image)[0]["emotions"]),
        "of_a_file": shape_of(analyzer.detect_emotions(photo)),
        "given": shape_of(analyzer.detect_emotions(image, [[150, 60, 120, 120]])),
        "nobody": analyzer.detect_emotions(blank),
        "find_faces": shape_of(analyzer.find_faces(image)),
        "batch": shape_of(analyzer.batch_detect_emotions([image, image])),
        "top_emotion": shape_of(analyzer.top_emotion(image)),
        "top_of_nobody": list(analyzer.top_emotion(blank)),
        "video": video_shapes(analyzer, video, Video),
    }


def of_deepface(photo, video):
    del video
    import cv2
    import deepface
    from deepface import DeepFace
    from deepface.modules import modeling

    class Answer:
        def predict(self, image):
            return np.array([1, 2, 3, 50, 5, 6, 7], np.float32)

    build = modeling.build_model
    modeling.build_model = lambda task, model_name: (
        Answer() if model_name == "Emotion" else build(task, model_name)
    )
    image = cv2.imread(photo)
    blank = np.full((120, 160, 3), 128, np.uint8)
    try:
        DeepFace.analyze(blank, actions=["emotion"])
        refusal = None
    except ValueError as error:
        refusal = [each.__name__ for each in type(error).__mro__]
    whole = DeepFace.analyze(blank, actions=["emotion"], enforce_detection=False)
    return {
        "version": deepface.__version__,
        "analyze": shape_of(DeepFace.analyze(image, actions=["emotion"])),
        "order": list(DeepFace.analyze(image, actions=["emotion"])[0]["emotion"]),
        "of_a_file": shape_of(DeepFace.analyze(photo, actions=["emotion"])),
        "batch": shape_of(DeepFace.analyze([image, image], actions=["emotion"])),
        "refusal": refusal,
        "whole": [whole[0]["region"], whole[0]["face_confidence"]],
        "skipped": shape_of(DeepFace.analyze(image, actions=["emotion"], detector_backend="skip")),
    }


if __name__ == "__main__":
    package, photo, video = sys.argv[1:]
    known = json.loads(FILE.read_text()) if FILE.is_file() else {}
    known[package] = {"fer": of_fer, "deepface": of_deepface}[package](photo, video)
    FILE.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
