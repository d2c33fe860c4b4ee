"""Hair: a mass behind the head, a cap in front of the skull, strands on it."""

import numpy as np

from fer_data.synthetic.canvas import Canvas
from fer_data.synthetic.face_geometry import Geometry
from fer_data.synthetic.face_model import catmull_rom, on_skull
from fer_data.synthetic.identity import Identity

# Hairline of each style: angle from the front (degrees, right half) and height, centre to ear.
# Side-parted hair has its own line on the left.
_HAIRLINES = {
    "short": [(0, -0.72), (28, -0.70), (50, -0.52), (64, -0.22), (76, 0.12)],
    "side_part": [(0, -0.64), (28, -0.62), (50, -0.46), (64, -0.20), (76, 0.12)],
    "fringe": [(0, -0.46), (25, -0.45), (48, -0.40), (64, -0.16), (76, 0.18)],
    "long": [(0, -0.80), (26, -0.66), (46, -0.40), (60, -0.02), (70, 0.35)],
    "bob": [(0, -0.56), (26, -0.52), (46, -0.38), (60, 0.00), (74, 0.30)],
    "curly": [(0, -0.66), (28, -0.64), (50, -0.48), (62, -0.18), (74, 0.16)],
    "bun": [(0, -0.78), (28, -0.72), (50, -0.50), (66, -0.14), (78, 0.08)],
    "receding": [(0, -0.78), (22, -0.92), (42, -0.84), (62, -0.30), (76, 0.12)],
}
_SIDE_PART_LEFT = [(20, -0.80), (44, -0.62), (62, -0.24), (76, 0.12)]
# How far hair stands off the skull: least, and more with volume.
_VOLUME = {
    "short": (0.03, 0.08), "side_part": (0.06, 0.10), "fringe": (0.06, 0.10), "long": (0.07, 0.10),
    "bob": (0.08, 0.10), "curly": (0.14, 0.26), "bun": (0.03, 0.04), "receding": (0.02, 0.03),
}  # fmt: skip
_ANGLES = np.linspace(0, 2 * np.pi, 28, endpoint=False)


def _hairline(style):
    right = _HAIRLINES[style]
    left = _SIDE_PART_LEFT if style == "side_part" else right[1:]
    points = [(-angle, y) for angle, y in left[::-1]] + right
    return np.deg2rad([angle for angle, _ in points]), np.array([y for _, y in points])


_LINES = {style: _hairline(style) for style in _HAIRLINES}
# All hairlines have nine points.
_TAPS, _WEIGHTS = catmull_rom(9, closed=False, steps=4)


def _smooth(points):
    return np.einsum("pt,ptc->pc", _WEIGHTS, points[_TAPS])


def _off_skull(identity, geometry):
    """Return the hair's outline: the head's upper outline, enlarged about the skull's middle."""
    least, more = _VOLUME[identity.hair]
    out = least + more * identity.hair_volume
    upper = geometry.upper_outline
    middle = geometry.skull_centre
    cap = middle + (upper - middle) * (1 + out)
    if identity.hair == "curly":
        waves = np.sin(np.linspace(0, 22, len(cap)) + identity.seed % 7)[:, None]
        cap = middle + (cap - middle) * (1 + 0.03 * waves)
    return cap


def paint_behind(canvas: Canvas, identity: Identity, geometry: Geometry) -> None:
    """Paint long hair and buns, behind neck and ears."""
    view, colour = geometry.view, identity.hair_colour * 0.72
    style, volume = identity.hair, identity.hair_volume
    if style in ("long", "bob"):
        end = 1.75 if style == "long" else 0.95 + 0.25 * volume
        wide = 0.86 + 0.14 * volume
        cap = _off_skull(identity, geometry)
        right = np.array(
            [
                (wide, 0.4, -0.4), (wide + 0.05, 0.8 * end, -0.4), (wide - 0.06, end, -0.35),
                (wide - 0.18, end + 0.09, -0.35), (wide - 0.4, end + 0.08, -0.4),
            ]
        )  # fmt: skip
        fall = view.flatten(np.concatenate([right, right[::-1] * (-1, 1, 1)]))
        fall = np.where(fall[:, 1:] > 1.0, view.upright(fall), fall)
        canvas.fill(np.concatenate([cap, fall]), colour, 130)
    elif style == "bun":
        bun = np.stack([0.34 * np.cos(_ANGLES), -1.22 + 0.26 * np.sin(_ANGLES)], 1)
        bun = np.column_stack([bun, np.full(len(bun), -0.5)])
        canvas.fill(view.flatten(bun), colour, 130)
    elif style == "curly":
        cap = _off_skull(identity, geometry)
        middle = geometry.skull_centre
        canvas.fill(
            np.concatenate([cap, middle + (cap[[-1, 0]] - middle) * (0.8, 2.2)]), colour, 130
        )


def paint_front(canvas: Canvas, identity: Identity, geometry: Geometry) -> None:
    """Paint the hair from the outline of the skull down to the hairline, and strands on it."""
    style = identity.hair
    if style == "bald":
        return
    angles, heights = _LINES[style]
    # Heights follow the person's forehead.
    heights = np.where(heights < -0.2, heights * (-geometry.sections[0, 0] / 1.2), heights)
    line = geometry.view.flatten(_smooth(on_skull(geometry.sections, angles, heights, 0.01)))
    cap = _off_skull(identity, geometry)
    canvas.fill(np.concatenate([cap, line[::-1]]), identity.hair_colour, 150)
    if style in ("short", "receding") and identity.hair_volume < 0.25:
        return
    # A strand runs between the hairline and the outline, keeping its share of the way.
    place, depth, bright = identity.strands.T
    steps = np.linspace(0.0, 1.0, 7)
    start = 0.02 + 0.7 * place[:, None]
    along = np.clip(start + 0.28 * steps, 0, 1)
    inward = 0.10 + 0.80 * depth[:, None] + 0.12 * np.sin(3 * steps + 6 * bright[:, None])
    outer = _at(cap, along)
    inner = _at(line, along)
    strands = outer + (inner - outer) * np.clip(inward, 0, 0.96)[..., None]
    for light, group in ((0.72, bright < 0.5), (1.22, bright >= 0.5)):
        if group.any():
            colour = np.clip(identity.hair_colour * light + (light > 1) * 12, 0, 255)
            canvas.line(list(strands[group]), colour, 0.016, 150)


def _at(curve, share):
    """Return the points at a share of the way along a curve; both curves run left to right."""
    position = share * (len(curve) - 1)
    low = np.minimum(position.astype(int), len(curve) - 2)
    part = (position - low)[..., None]
    return curve[low] * (1 - part) + curve[low + 1] * part
