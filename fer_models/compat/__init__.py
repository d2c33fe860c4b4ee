"""The names and shapes of the packages `fer` and DeepFace, answered by the Recognizer.

For code that was written for them: change the import, and read the differences in
`docs/coming-from.md`.
"""

from fer_models.compat.bgr_pictures import FaceNotDetectedError, ImageNotFoundError
from fer_models.compat.deepface_package import DeepFace
from fer_models.compat.fer_package import FER
from fer_models.compat.fer_video import Video

__all__ = ["FER", "DeepFace", "FaceNotDetectedError", "ImageNotFoundError", "Video"]
