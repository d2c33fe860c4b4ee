"""The camera: blur, sensor noise, JPEG. It is separate from `render`, so that noise is a choice."""

import cv2
import numpy as np

from fer_data import arguments
from fer_data.synthetic.scene import Camera


@arguments.checked(
    image=arguments.array((None, None, 3), kinds="u"),
    camera=arguments.instance(Camera, "a `Camera`"),
    rng=arguments.with_method("standard_normal", "a `numpy.random.Generator`"),
)
def photograph(image: np.ndarray, camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """Turn a rendered picture into a camera's picture.

    Args:
        image: uint8 (H, W, 3), RGB.
        camera: `Camera`.
        rng: `numpy.random.Generator` for the sensor's noise; the same generator state gives the
            same noise.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    sigma = camera.blur * image.shape[0] / 1000
    # A narrower kernel than this leaves the picture as it is.
    if sigma > 0.2:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    if camera.saturation < 1:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        image = cv2.addWeighted(image, camera.saturation, grey, 1 - camera.saturation, 0)
    if camera.noise:
        # Mostly brightness: one sample per pixel, shared by the three colours.
        noise = rng.standard_normal(image.shape[:2], dtype=np.float32) * np.float32(camera.noise)
        image = cv2.add(image, cv2.merge([noise] * 3), dtype=cv2.CV_8U)
    if camera.jpeg is not None:
        quality = [cv2.IMWRITE_JPEG_QUALITY, camera.jpeg]
        _, encoded = cv2.imencode(".jpg", image[:, :, ::-1], quality)
        image = cv2.imdecode(encoded, cv2.IMREAD_COLOR)[:, :, ::-1]  # type: ignore[index]
    return np.ascontiguousarray(image)
