"""The side of `recognizer_speed.py` that runs in the environment of the PyPI package `fer`.

Not to be started by hand. It reads requests, one JSON object a line, and writes an answer a line:

    {"do": "open"}                                        versions of what it runs on
    {"do": "frames", "path": NPY}                         uint8 RGB (frames, height, width, 3)
    {"do": "run", "pipeline": "haar" or "mtcnn"}          seconds and faces of each frame, CPU time
    {"do": "classify", "model": "tflite" or "keras", "path": NPY}    a name for each grey face

It imports nothing of fer-keras, which that environment does not have.
"""

import json
import os
import platform
import sys
import time

import numpy as np

PIPELINES = {"haar": {}, "mtcnn": {"mtcnn": True}}
MODELS = {"tflite": True, "keras": False}
BATCH = 64


class Peer:
    """Answers the requests; holds the frames and the pipelines between them."""

    def __init__(self):
        self.frames = None
        self.pipelines = {}

    def open(self):
        import cv2
        import facenet_pytorch
        import fer
        import tensorflow
        import torch

        modules = (fer, cv2, tensorflow, torch, np)
        versions = {module.__name__: module.__version__ for module in modules}
        versions["facenet_pytorch"] = _version(facenet_pytorch)
        versions["python"] = platform.python_version()
        return {"versions": versions}

    def frames_from(self, path):
        # `fer` takes pictures as OpenCV reads them; turning them is no part of the measured time.
        self.frames = np.ascontiguousarray(np.load(path)[..., ::-1])
        return {"frames": len(self.frames)}

    def run(self, pipeline):
        from fer.fer import FER

        if pipeline not in self.pipelines:
            self.pipelines[pipeline] = FER(**PIPELINES[pipeline])
        detect = self.pipelines[pipeline].detect_emotions
        seconds, faces = [], []
        spent = time.process_time()
        for frame in self.frames:
            start = time.perf_counter()
            found = detect(frame)
            seconds.append(time.perf_counter() - start)
            faces.append(len(found))
        return {"seconds": seconds, "faces": faces, "cpu": time.process_time() - spent}

    def classify(self, model, path):
        from fer.fer import FER

        # Its margin of 10 pixels would put a frame of one grey around a picture that is all face.
        recognizer = FER(use_tflite=MODELS[model], offsets=(0, 0))
        classify = recognizer._classify_emotions
        prepared = []

        def keep(faces):
            prepared.append(faces)
            return np.zeros((len(faces), len(FER._get_labels())))

        # Only to take its answers as they are: its pipeline rounds them to two digits.
        recognizer._classify_emotions = keep
        for face in np.load(path):
            picture = np.repeat(face.reshape(*face.shape[:2], 1), 3, axis=-1)
            height, width = picture.shape[:2]
            recognizer.detect_emotions(picture, face_rectangles=[(0, 0, width, height)])
        prepared, names = np.concatenate(prepared), FER._get_labels()
        parts = (prepared[start : start + BATCH] for start in range(0, len(prepared), BATCH))
        probabilities = np.concatenate([np.asarray(classify(part)) for part in parts])
        return {"names": [names[int(place)] for place in probabilities.argmax(1)]}


def _version(module):
    from importlib.metadata import version

    return version(module.__name__.replace("_", "-"))


def serve(requests, answers, peer):
    """Answer every line of `requests` on `answers`, both text streams."""
    actions = {
        "open": peer.open,
        "frames": peer.frames_from,
        "run": peer.run,
        "classify": peer.classify,
    }
    for line in requests:
        request = json.loads(line)
        answer = actions[request.pop("do")](**request)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def main():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # What its libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, answers, Peer())


if __name__ == "__main__":
    main()
