"""Serve the live page with your own recognizer: another smoothing, and the largest face only.

    pip install ".[web,faces]"
    python examples/web_page.py

Then open http://127.0.0.1:8000/ in a browser of this machine. `fer webcam` serves the same page,
with options instead of code.
"""

from fer_models import Recognizer
from fer_models.web import Limits, serve


class LargestFace:
    """A session that shows one face: whoever is nearest to the camera."""

    def __init__(self, session):
        self._session = session
        self.reset = session.reset

    @property
    def milliseconds(self):
        return self._session.milliseconds

    def frame(self, image, timestamp):
        faces = self._session.frame(image, timestamp)
        return sorted(faces, key=lambda face: -face.box[2] * face.box[3])[:1]


class OwnRecognizer:
    """What the page needs: the names of the classes, and a session for each browser."""

    def __init__(self):
        self._recognizer = Recognizer(weights="ferplus", detector="mtcnn")
        self.class_names = self._recognizer.class_names

    def session(self):
        return LargestFace(self._recognizer.session(smoothing=1.0))


def main():
    serve(
        OwnRecognizer(),
        limits=Limits(max_clients=4),
        settings={"weights": "ferplus, the largest face"},
        on_listening=lambda: print("Open http://127.0.0.1:8000/"),
    )


if __name__ == "__main__":
    main()
