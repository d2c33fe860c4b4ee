"""`render`: person, expression and scene to picture and landmarks."""

from collections.abc import Mapping

import cv2
import numpy as np

from fer_data import arguments
from fer_data.checks import shown
from fer_data.synthetic import shading
from fer_data.synthetic.action_units import ACTION_UNITS, check_action_units
from fer_data.synthetic.canvas import Canvas
from fer_data.synthetic.face_geometry import Geometry
from fer_data.synthetic.identity import Identity
from fer_data.synthetic.occlusion import paint_occluder
from fer_data.synthetic.painter import paint_face
from fer_data.synthetic.projection import View
from fer_data.synthetic.scene import Scene

#: Smallest picture in which a mouth corner still moves by a pixel.
MIN_SIZE = 24
# A larger one would be drawn larger still, and fill the memory.
MOST_SIZE = 4096


@arguments.checked(
    identity=arguments.instance(Identity, "an `Identity`"),
    action_units=arguments.instance(Mapping, "a dictionary from number to strength"),
    scene=arguments.instance(Scene, "a `Scene`"),
    size=arguments.integer(),
)
def render(
    identity: Identity, action_units: Mapping[int, float], scene: Scene, size: int = 96
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a face.

    The picture is free of noise and a smooth function of pose, light and action units, so slowly
    changing parameters make a film without flicker; `photograph` adds what a camera adds.

    Args:
        identity: `Identity`.
        action_units: Dictionary from FACS number to strength in [0, 1]; see `action_units`.
        scene: `Scene`.
        size: Side of the picture in pixels, at least 24.

    Returns:
        Picture, uint8 (size, size, 3) RGB, and the 68 landmarks, float32 (68, 2), (x, y) pixels in
        iBUG order; (0, 0) is the centre of the first pixel. Jaw landmarks lie on the outline the
        viewer sees, brow landmarks on the middle line of the brow.

    Raises:
        ValueError: For a size below 24, an unknown action unit or a strength outside [0, 1].

    Example:

    >>> import numpy as np
    >>> from fer_data.synthetic import Identity, Scene, action_units, render
    >>> identity = Identity.sample(np.random.default_rng(1))
    >>> image, landmarks = render(identity, action_units("happy"), Scene(), size=96)
    >>> image.shape, landmarks.shape
    ((96, 96, 3), (68, 2))
    """
    check_size(size)
    check_action_units(action_units)
    strength = {unit: float(action_units.get(unit, 0.0)) for unit in ACTION_UNITS}
    values = np.array(list(strength.values()))
    # Few faces move alike on both sides; no strength exceeds 1.
    sides = values[:, None] * (1 + 0.22 * identity.asymmetry * np.array([-1, 1]))
    view = View(scene.pose, size)
    geometry = Geometry(identity, np.minimum(sides, 1.0), view)
    canvas = Canvas(view, scene.background)
    paint_face(canvas, identity, scene, geometry, strength)
    if scene.occluder is not None:
        paint_occluder(canvas, identity, geometry, scene.occluder, scene.occluder_seed)
    light = _light_on_plane(geometry, identity, scene, values)
    return _develop(canvas.reduced(), light, scene.light), geometry.landmarks


def check_size(size: int) -> None:
    """Raise `ValueError` unless `size` is an integer from `MIN_SIZE` to `MOST_SIZE`."""
    if not isinstance(size, (int, np.integer)) or not MIN_SIZE <= size <= MOST_SIZE:
        raise ValueError(
            f"`size` must be an integer of at least {MIN_SIZE}, and at most {MOST_SIZE}. "
            f"Received: size={shown(size)}"
        )


def _light_on_plane(geometry, identity, scene, values):
    """Return the shading canvas, warped onto the picture."""
    view = geometry.view
    x, y = geometry.outline.T
    head = (
        (x.max() + x.min()) / 2, (y.max() + y.min()) / 2,
        (x.max() - x.min()) / 2, (y.max() - y.min()) / 2,
    )  # fmt: skip
    cos, sin = np.cos(view.roll), np.sin(view.roll)
    lx, ly, lz = scene.light.direction
    direction = (cos * lx + sin * ly, -sin * lx + cos * ly, lz)
    shade = shading.shading_canvas(
        geometry.plane, values, identity, scene.light, direction, view.yaw, head
    )
    step_x = (shading.RIGHT - shading.LEFT) / (shading.SIZE - 1)
    step_y = (shading.BOTTOM - shading.TOP) / (shading.SIZE - 1)
    matrix = np.empty((2, 3))
    matrix[:, :2] = view.similarity * (step_x, step_y)
    matrix[:, 2] = view.similarity @ (shading.LEFT, shading.TOP) + view.shift
    return cv2.warpAffine(
        shade,
        matrix,
        (view.size, view.size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _develop(painted, excess, light):
    """Multiply painted colours by the room's light, and the person by the lamp's `excess` too."""
    cover = painted[:, :, 3].astype(np.float32) * np.float32(1 / 255)
    excess = cv2.multiply(excess, cv2.merge([cover] * 3))
    factor = cv2.add(excess, (*(light.exposure * tint for tint in light.tint), 0.0))
    colours = cv2.cvtColor(painted, cv2.COLOR_RGBA2RGB)
    return cv2.multiply(factor, colours, dtype=cv2.CV_8U)
