"""Things in front of the face."""

import numpy as np

from fer_data.synthetic.canvas import Canvas
from fer_data.synthetic.face_geometry import Geometry
from fer_data.synthetic.identity import Identity

#: Occluders that `Scene.occluder` may name.
OCCLUDERS = ("sunglasses", "hand", "mask", "scarf", "block")

_ANGLES = np.linspace(0, 2 * np.pi, 32, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1)


def paint_occluder(
    canvas: Canvas, identity: Identity, geometry: Geometry, kind: str, seed: int
) -> None:
    """Cover a part of the face.

    Args:
        canvas: `Canvas`.
        identity: `Identity`; a hand has the person's skin.
        geometry: `fer_data.synthetic.face_geometry.Geometry`.
        kind: One of `OCCLUDERS`.
        seed: Colour, size and place.

    Raises:
        ValueError: For an unknown kind.
    """
    if kind not in OCCLUDERS:
        raise ValueError(f"`occluder` must be one of {OCCLUDERS}. Received: occluder={kind!r}")
    rng = np.random.default_rng(seed)
    _PAINTERS[kind](canvas, identity, geometry, rng)


def _sunglasses(canvas, identity, geometry, rng):
    view, controls = geometry.view, geometry.controls
    colour = rng.uniform(8, 46, 3)
    width, height = rng.uniform(0.24, 0.29), rng.uniform(0.17, 0.22)
    shape = np.sign(_CIRCLE) * np.abs(_CIRCLE) ** rng.uniform(0.6, 1.0) * (width, height)
    for side, corners in ((-1, [36, 39]), (1, [42, 45])):
        centre = controls[corners].mean(0)[:2] + np.array([0.02 * side, 0.02])
        lens = np.column_stack([shape + centre, np.full(len(shape), 0.44)])
        lens[:, 2] -= 0.25 * (np.abs(lens[:, 0]) - 0.33)
        temple = np.array([[0.60 * side, 0.0, 0.38], [0.84 * side, -0.02, -0.25]])
        canvas.line(view.flatten(temple), colour, 0.04, 60)
        canvas.fill(view.flatten(lens), colour, 60)
        shine = np.array([[-0.10, 0.02, 0.46], [0.02, -0.10, 0.46]])
        shine[:, :2] += centre
        canvas.line(view.flatten(shine), colour + 60, 0.025, 60)
    bridge = np.array([[-0.12, -0.02, 0.50], [0.0, -0.05, 0.53], [0.12, -0.02, 0.50]])
    canvas.line(view.flatten(bridge), colour, 0.05, 60)


def _hand(canvas, identity, geometry, rng):
    side = rng.choice([-1, 1])
    place = np.array([side * rng.uniform(0.25, 0.75), rng.uniform(0.15, 1.0)])
    tilt = side * rng.uniform(0.2, 1.0)
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    colour = np.clip(identity.skin * rng.uniform(0.8, 1.0), 0, 255)

    def put(points, shade):
        canvas.fill(points @ turn + place, colour * shade, 120)

    put(_CIRCLE * (0.32, 0.36) + (0.0, 0.32), 1.0)
    put(np.array([(-0.26, 0.4), (0.26, 0.4), (0.22, 1.6), (-0.22, 1.6)]), 0.96)
    for finger, x in enumerate((-0.235, -0.08, 0.075, 0.225)):
        length = (0.30, 0.37, 0.36, 0.28)[finger]
        put(_CIRCLE * (0.088, length) + (x, -0.12), 0.78)
        put(_CIRCLE * (0.075, length - 0.01) + (x, -0.12), 1.0)


def _lower_face(geometry, top, bulge=1.03):
    """Return the polygon below a line from ear to ear through (0, top)."""
    view = geometry.view
    jaw = geometry.jaw_line
    middle = jaw.mean(0)
    jaw = middle + (jaw - middle) * bulge
    edge = view.flatten(
        np.array([(-0.45, top + 0.05, 0.35), (-0.15, top - 0.02, 0.55), (0.0, top - 0.05, 0.66),
                  (0.15, top - 0.02, 0.55), (0.45, top + 0.05, 0.35)])
    )  # fmt: skip
    return jaw, edge


def _mask(canvas, identity, geometry, rng):
    tint = [(206, 224, 236), (236, 238, 238), (38, 40, 44), (170, 206, 196)][rng.integers(4)]
    tint = np.array(tint, np.float64)
    top = rng.uniform(0.22, 0.34)
    jaw, edge = _lower_face(geometry, top)
    view = geometry.view
    jaw = jaw[jaw[:, 1] > view.flatten(np.array([[0.0, top + 0.12, -0.1]]))[0, 1]]
    canvas.fill(np.concatenate([jaw, edge]), tint, 190)
    for y in (0.55, 0.75, 0.95):
        fold = np.array([(-0.5, y + 0.02, 0.25), (0.0, y, 0.6), (0.5, y + 0.02, 0.25)])
        canvas.line(view.flatten(fold), tint * 0.82, 0.016, 190)
    for side in (-1, 1):
        strap = np.array([(0.52 * side, top + 0.08, 0.3), (0.84 * side, 0.08, -0.28)])
        canvas.line(view.flatten(strap), tint * 0.9, 0.02, 120)


def _scarf(canvas, identity, geometry, rng):
    colour = rng.uniform(20, 225, 3)
    stripe = rng.uniform(20, 225, 3)
    top = rng.uniform(0.50, 0.68)
    rows = np.linspace(0, 1, 6)
    left, right = -1.05, 1.05
    for first, second, index in zip(rows[:-1], rows[1:], range(5), strict=True):
        y0, y1 = top + first * 1.3, top + second * 1.3
        band = np.array(
            [
                (left, y0 - 0.06), (-0.5, y0 + 0.03), (0.0, y0 + 0.05), (0.5, y0 + 0.03),
                (right, y0 - 0.06), (right, y1 + 0.1), (0.0, y1 + 0.16), (left, y1 + 0.1),
            ]
        )  # fmt: skip
        canvas.fill(band, stripe if index % 2 else colour, 150)


def _block(canvas, identity, geometry, rng):
    place = np.array([rng.uniform(-0.45, 0.45), rng.uniform(-0.2, 1.0)])
    half = rng.uniform(0.18, 0.42, 2)
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * half + place
    canvas.fill(corners, rng.uniform(0, 255, 3), 0)


_PAINTERS = {
    "sunglasses": _sunglasses,
    "hand": _hand,
    "mask": _mask,
    "scarf": _scarf,
    "block": _block,
}
