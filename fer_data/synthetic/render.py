"""`render`: person, expression and scene to picture and landmarks."""

import cv2
import numpy as np

from fer_data.synthetic import face_model, shading
from fer_data.synthetic.action_units import ACTION_UNITS, check_action_units
from fer_data.synthetic.canvas import Canvas
from fer_data.synthetic.occlusion import paint_occluder
from fer_data.synthetic.painter import Parts, paint_face
from fer_data.synthetic.projection import View

#: Smallest picture in which a mouth corner still moves by a pixel.
MIN_SIZE = 24


class Geometry:
    """Where everything of one face is.

    Args:
        identity: `Identity`.
        strengths: float (units, 2), action units left and right.
        view: `View`.

    Attributes:
        controls: float (C, 3), control points in face coordinates.
        sections: float (15, 4), cross sections of the head.
        parts: `Parts`, the dense contours.
        outline: float (140, 2), head outline in the face plane.
        jaw_line: Its lower part, from the right ear to the left one.
        upper_outline: Its upper part, from the left ear to the right one.
        skull_centre: float (2,), middle of the skull in the face plane.
        landmarks: float32 (68, 2), pixels, iBUG order.
    """

    def __init__(self, identity, strengths, view):
        self.view = view
        self.controls, self.sections = face_model.deform(
            identity.controls, identity.sections, strengths
        )
        self.parts = Parts(view, face_model.contours(self.controls))
        silhouette = face_model.silhouette(self.sections, view.yaw)
        rows = view.flatten(silhouette)
        self.outline = face_model.smooth_outline(rows)
        step = face_model.OUTLINE_STEP
        self.jaw_line = self.outline[7 * step : 21 * step + 1]
        self.upper_outline = np.concatenate(
            [self.outline[22 * step :], self.outline[: 6 * step + 1]]
        )
        self.skull_centre = view.flatten(np.array([[0.0, -0.15, -0.35]]))[0]
        self.plane = view.flatten(self.controls)
        self.plane[:17] = rows[face_model.JAW_ROWS]
        self.landmarks = view.pixels(self.plane[:68]).astype(np.float32)


def render(identity, action_units, scene, size=96):
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
    # Few faces move alike on both sides; no strength passes full.
    sides = values[:, None] * (1 + 0.22 * identity.asymmetry * np.array([-1, 1]))
    view = View(scene.pose, size)
    geometry = Geometry(identity, np.minimum(sides, 1.0), view)
    canvas = Canvas(view, scene.background)
    paint_face(canvas, identity, scene, geometry, strength)
    if scene.occluder is not None:
        paint_occluder(canvas, identity, geometry, scene.occluder, scene.occluder_seed)
    light = _light_on_plane(geometry, identity, scene, values)
    return _develop(canvas.reduced(), light, scene.light), geometry.landmarks


def check_size(size):
    """Raise `ValueError` unless `size` is an integer of at least `MIN_SIZE`."""
    if not isinstance(size, (int, np.integer)) or size < MIN_SIZE:
        raise ValueError(
            f"`size` must be an integer of at least {MIN_SIZE}. Received: size={size!r}"
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
    """Painted colours times light: the room's, and on the person the lamp's `excess` over it."""
    cover = painted[:, :, 3].astype(np.float32) * np.float32(1 / 255)
    excess = cv2.multiply(excess, cv2.merge([cover] * 3))
    factor = cv2.add(excess, (*(light.exposure * tint for tint in light.tint), 0.0))
    colours = cv2.cvtColor(painted, cv2.COLOR_RGBA2RGB)
    return cv2.multiply(factor, colours, dtype=cv2.CV_8U)
