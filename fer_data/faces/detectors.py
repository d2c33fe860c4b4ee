"""Face detectors by name."""

import importlib
from typing import TYPE_CHECKING, Any

from fer_data import arguments
from fer_data.checks import check_choice
from fer_data.whole import needs_whole

if TYPE_CHECKING:
    from fer_data.faces.base import Detector

_DETECTORS = {
    "mtcnn": ("fer_data.faces.mtcnn_detector", "MtcnnDetector"),
    "retinaface": ("fer_data.faces.retinaface.detector", "RetinaFaceDetector"),
    "yunet": ("fer_data.faces.yunet", "YuNetDetector"),
    "dlib_hog": ("fer_data.faces.dlib_detectors", "DlibHogDetector"),
    "dlib_cnn": ("fer_data.faces.dlib_detectors", "DlibCnnDetector"),
}

DETECTORS = tuple(_DETECTORS)


@arguments.checked(name=arguments.text)
def detector(name: str = "mtcnn", **options: Any) -> "Detector":
    """Return a face detector.

    All have the same methods: `detect(image)` gives a list of `Face`, the most certain first, and
    `detect_batch(images)` a list of such lists. An image is a file's name or an array in RGB
    order, as `fer_data.faces.as_rgb` takes it.

    | name | finds | five points | `min_score` | needs | licence |
    |---|---|---|---|---|---|
    | `mtcnn` | faces from about 20 px | yes | 0.8 | LiteRT | MIT |
    | `retinaface` | faces from about 20 px | yes | 0.5 | LiteRT | MIT |
    | `yunet` | faces from about 15 px | yes | 0.7 | OpenCV alone | MIT |
    | `dlib_hog` | upright frontal faces from about 40 px (80 with `upsample=0`) | no | 0 | \
`fer-keras[faces]` | Boost |
    | `dlib_cnn` | faces from about 80 px, in seconds per picture without a GPU | no | 0 | \
`fer-keras[faces]` | Boost, weights CC0 |

    The sizes are those in the picture as the detector sees it: shrunk to the working size. The
    networks of the first three lie in the package, and none of them imports Keras or TensorFlow.

    Args:
        name: One of the names above.
        **options: For all:

            - `min_score`: drop faces of a lower score. In `[0, 1]`, except for dlib's two, whose
              scores are distances to a decision boundary at 0; `dlib_cnn` finds no faces below 0.
            - `min_size`: drop faces whose box, clipped to the picture, has a side shorter than
              this many of the picture's pixels. 0 by default.
            - `working_size`: shrink a picture whose longer side exceeds this many pixels before
              looking for faces; boxes and points are still in pixels of the original picture. 640
              by default: a small one is fast, a large one finds small faces. `None` looks at every
              picture as it is.
            - `max_faces`: keep only so many, the most certain. `None`, the default, keeps all.

            of `mtcnn`: `batch_size=16`, how many pictures of one size are searched together (LiteRT
            still runs its networks on one picture at a time); `proposal_scores=(0.6, 0.7)`, the
            least scores in the first and the second network for a face to reach the third;
            `device="CPU:0"`, the processor, or TensorFlow's name of another device, which needs the
            wheel `mtcnn` of `fer-keras[faces]` and Keras on TensorFlow.

            of `retinaface`: `weights=None`, the path of another h5 file of it, which runs in Keras;
            `through_keras=False`, whether the public weights, fetched once, run in Keras too, as a
            graphics card needs; `batch_size=16`; `iou_threshold=0.4`, by how much two boxes may
            overlap without being one face.

            of `yunet`: `weights=None`, the path of another ONNX file of it.

            of `dlib_hog`: `upsample=1`, how often the picture is doubled first.

            of `dlib_cnn`: `weights=None`, the path of `mmod_human_face_detector.dat`;
            `upsample=0`.

    Returns:
        A `fer_data.faces.Detector`. It holds its network: make it once, use it for all pictures.

    Raises:
        ImportError: If the package that it needs is not installed; the message names the extra.
        FileNotFoundError: If there is no weights file at the path given.
        OSError: If the public weights cannot be fetched; the message names their address.
        RuntimeError: For `mtcnn` on another device, where Keras runs on another backend than
            TensorFlow.
        ValueError: If the name is unknown, an option out of its range, or a file holds no weights.

    Example:

    >>> from skimage import data
    >>> faces = detector("mtcnn", min_score=0.9).detect(data.astronaut())
    >>> len(faces), faces[0].points.shape
    (1, (5, 2))

    Sources: Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded
    Convolutional Networks" (arXiv:1604.02878); Deng et al., "RetinaFace: Single-stage Dense Face
    Localisation in the Wild" (arXiv:1905.00641); Wu et al., "YuNet: A Tiny Millisecond-level Face
    Detector" (doi:10.1007/s11633-023-1423-y); King, "Max-Margin Object Detection"
    (arXiv:1502.00046).
    """
    check_choice("name", name, DETECTORS)
    module, class_name = _DETECTORS[name]
    with needs_whole(f"The detector {name!r}"):
        return getattr(importlib.import_module(module), class_name)(**options)
