"""Light on the face: a relief of smooth bumps on an ellipsoid, and the shade between them.

Every bump is an axis-aligned Gaussian in face coordinates, hence separable: the relief's slopes and
the shade of all bumps are three small matrix products. They are smooth in every parameter, so a
film of a moving face does not flicker.
"""

import numpy as np

from fer_data.synthetic.face_model import AU_ORDER, both_sides
from fer_data.synthetic.identity import Identity
from fer_data.synthetic.scene import Light

#: The shading canvas covers this part of the face plane.
LEFT, RIGHT, TOP, BOTTOM = -1.40, 1.40, -1.40, 1.75
SIZE = 96
_BLOCK = 32

_X = np.linspace(LEFT, RIGHT, SIZE, dtype=np.float32)
_Y = np.linspace(TOP, BOTTOM, SIZE, dtype=np.float32)

# anchor (a control point, or one with an offset), width, height, relief, shade,
# {action unit: (relief, shade)}, shade that comes with age.
_BUMPS = [
    (27, 0.055, 0.09, 0.050, 0.00, {9: (0.0, 0.15)}, 0),
    (28, 0.058, 0.10, 0.060, 0.00, {}, 0),
    (29, 0.064, 0.09, 0.080, 0.00, {}, 0),
    (30, 0.080, 0.062, 0.115, 0.00, {}, 0),
    ("ala1", 0.046, 0.048, 0.055, 0.00, {9: (0.02, 0.0)}, 0),
    ("ala2", 0.030, 0.050, -0.012, 0.16, {9: (0.0, 0.12), 12: (0.0, 0.08)}, 0),
    ((33, 0.0, 0.040), 0.125, 0.055, -0.020, 0.42, {}, 0),
    ("nose_side", 0.045, 0.13, -0.012, 0.10, {9: (0.0, 0.16)}, 0),
    (42, 0.070, 0.070, -0.045, 0.28, {4: (0.0, 0.12)}, 0),
    ("crease1", 0.090, 0.055, -0.030, 0.16, {4: (-0.01, 0.12), 5: (0.0, -0.08)}, 0),
    ("crease2", 0.100, 0.055, -0.020, 0.14, {4: (0.0, 0.08)}, 0),
    (43, 0.120, 0.075, 0.026, 0.00, {}, 0),
    (46, 0.110, 0.060, 0.020, 0.00, {}, 0),
    (45, 0.045, 0.045, -0.020, 0.12, {}, 0),
    (23, 0.130, 0.060, 0.035, 0.00, {4: (0.015, 0.0)}, 0),
    (25, 0.110, 0.060, 0.030, 0.00, {}, 0),
    ("bag1", 0.130, 0.028, -0.010, 0.06, {6: (-0.012, 0.22), 7: (0.0, 0.14), 9: (0.0, 0.1)}, 0.10),
    ("cheek", 0.200, 0.150, 0.055, -0.02, {6: (0.045, -0.02), 12: (0.030, 0.0)}, 0),
    ("fold0", 0.035, 0.060, -0.012, 0.05,
     {9: (-0.02, 0.26), 10: (-0.02, 0.22), 12: (-0.01, 0.18)}, 0.12),
    ("fold1", 0.038, 0.065, -0.014, 0.05,
     {9: (-0.02, 0.22), 10: (-0.02, 0.2), 12: (-0.016, 0.24), 15: (0, 0.08), 20: (0, 0.1)}, 0.14),
    ("fold2", 0.036, 0.065, -0.010, 0.03,
     {12: (-0.016, 0.24), 15: (0, 0.12), 20: (0, 0.14), 10: (0, 0.12)}, 0.12),
    ("fold3", 0.034, 0.060, 0.000, 0.00, {12: (-0.01, 0.16), 15: (0, 0.14), 20: (0, 0.12)}, 0.08),
    ("philtrum", 0.026, 0.050, -0.014, 0.05, {}, 0),
    (52, 0.075, 0.036, 0.026, 0.00, {23: (-0.018, 0.0)}, 0),
    (57, 0.150, 0.050, 0.034, 0.00, {23: (-0.02, 0.0), 17: (0.02, 0.0)}, 0),
    (54, 0.032, 0.032, -0.016, 0.16,
     {12: (-0.01, 0.2), 14: (-0.02, 0.4), 15: (0, 0.2), 23: (0, 0.12), 20: (0, 0.12)}, 0.05),
    ("under_lip", 0.130, 0.042, -0.040, 0.22, {17: (-0.02, 0.12), 26: (0.0, -0.06)}, 0),
    ("chin", 0.160, 0.090, 0.050, 0.00, {17: (0.012, 0.14), 15: (0.0, 0.06)}, 0),
    ("temple", 0.110, 0.240, -0.030, 0.06, {}, 0.06),
    ("forehead", 0.420, 0.220, 0.050, 0.00, {}, 0),
    ("furrow", 0.020, 0.070, -0.010, 0.00, {4: (-0.014, 0.42), 9: (0.0, 0.15)}, 0.14),
    ("rhinion", 0.080, 0.020, 0.000, 0.00, {9: (-0.006, 0.32), 4: (0.0, 0.1)}, 0.06),
    ("crow", 0.060, 0.045, 0.000, 0.00, {6: (0.0, 0.22)}, 0.08),
    # Lines across the forehead, above the brows that push them up.
    ((23, 0.0, -0.115), 0.170, 0.022, 0.000, 0.00, {1: (-0.006, 0.22), 2: (0.0, 0.06)}, 0.05),
    ((25, 0.0, -0.120), 0.150, 0.022, 0.000, 0.00, {2: (-0.006, 0.20)}, 0.04),
    ("forehead", 0.300, 0.022, 0.000, 0.00, {1: (-0.004, 0.16), 2: (0.0, 0.12)}, 0.06),
    # The neck lies in the shadow of the chin.
    ((8, 0.0, 0.170), 0.460, 0.100, 0.000, 0.90, {}, 0),
]  # fmt: skip


def _table():
    rows = []
    for anchor, sx, sy, relief, shade, units, aging in _BUMPS:
        key, dx, dy = anchor if isinstance(anchor, tuple) else (anchor, 0.0, 0.0)
        action = np.zeros((len(AU_ORDER), 2))
        for unit, amounts in units.items():
            action[AU_ORDER.index(unit)] = amounts
        right, left = both_sides(key)
        rows.append((right, (dx, dy), (sx, sy), (relief, shade), action, aging))
        if left != right:
            rows.append((left, (-dx, dy), (sx, sy), (relief, shade), action, aging))
    return tuple(np.array(column) for column in zip(*rows, strict=True))


_ANCHORS, _SHIFTS, _SIZES, _BASE, _ACTION, _AGE = _table()
# The bump under the tip of the nose, the one that moves with the lamp.
_NOSE_ROW = int(np.flatnonzero(_ANCHORS == 33)[0])


def _product(rows, columns):
    """Multiply matrices in blocks too small for BLAS to split.

    Waking threads takes longer than the product, and the result must not depend on their number.
    """
    out = np.empty((len(rows), columns.shape[1]), np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        np.matmul(rows[block], columns, out=out[block])
    return out


def shading_canvas(
    points: np.ndarray,
    strengths: np.ndarray,
    identity: Identity,
    light: Light,
    direction: np.ndarray,
    yaw: float,
    head: tuple[float, float, float, float],
) -> np.ndarray:
    """Return the light on the face plane.

    Args:
        points: float (C, 2), control points in the face plane (turned and foreshortened, without
            roll); row 8 is the tip of the chin.
        strengths: float (units,), action units in the order of `AU_ORDER`.
        identity: `Identity`.
        light: `Light`.
        direction: (x, y, z) to the lamp, in axes that roll with the head.
        yaw: Radians.
        head: (centre x, centre y, half width, half height) of the head in the face plane.

    Returns:
        float32 (96, 96, 3): factors for the picture's colours less the room's light, about 0.
    """
    relief, shade = (_BASE + np.tensordot(strengths, _ACTION, (0, 1))).T
    shade = shade * (0.75 + 0.5 * identity.age) + _AGE * identity.age
    relief = relief * 1.1
    centre = points[_ANCHORS] + _SHIFTS
    direction = np.asarray(direction, np.float64)
    direction = direction / np.linalg.norm(direction)
    # The nose throws its shadow away from the lamp.
    centre[_NOSE_ROW] -= 0.07 * direction[:2] * (1, 0.5)
    sx, sy = (_SIZES * (np.cos(yaw), 1.0)).T.astype(np.float32)
    cx, cy = centre.T.astype(np.float32)
    dx = (_X - cx[:, None]) / sx[:, None]
    dy = (_Y - cy[:, None]) / sy[:, None]
    gx, gy = np.exp(-0.5 * dx * dx), np.exp(-0.5 * dy * dy)
    relief, shade = relief.astype(np.float32), shade.astype(np.float32)
    weighted = (gy * relief[:, None]).T
    slope_x = _product(weighted, -dx * gx / sx[:, None])
    slope_y = _product((-dy * gy * (relief / sy)[:, None]).T, gx)
    dark = np.exp(-_product((gy * shade[:, None]).T, gx))

    ex = (_X - np.float32(head[0])) / np.float32(head[2])
    ey = (_Y - np.float32(head[1])) / np.float32(head[3])
    radius = ex[None] ** 2 + ey[:, None] ** 2
    # An ellipsoid whose rim is not quite reached, so that cheeks keep some light.
    nz = np.sqrt(np.maximum(1.0 - 0.86 * radius, 0.06))
    nx = 0.92 * ex[None] - slope_x * nz
    ny = 0.62 * ey[:, None] - slope_y * nz
    scale = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz)
    lx, ly, lz = (np.float32(v) for v in direction)
    lit = (nx * lx + ny * ly + nz * lz) * scale
    # Skin lets light in at the edge of the shadow.
    lit = np.maximum(lit * 0.82 + 0.18, 0.0)
    ambient = np.float32(light.ambient)
    shading = (ambient + (1.25 - ambient) * lit) * dark * identity.texture
    half = np.array([lx, ly, lz + 1.0]) / np.linalg.norm([lx, ly, lz + 1.0])
    gloss = (nx * np.float32(half[0]) + ny * np.float32(half[1]) + nz * np.float32(half[2])) * scale
    gloss = np.maximum(gloss, 0.0) ** 2
    gloss = gloss * gloss
    gloss = gloss * gloss
    gloss = gloss * gloss * dark * np.float32(0.16)
    # Shadows on skin are warm: red light travels further in it.
    warm = shading * np.maximum(1.0 - shading, 0.0)
    # Gloss minus one: the excess over the light of the room.
    gloss -= 1
    canvas = np.empty((SIZE, SIZE, 3), np.float32)
    for channel, (share, tint) in enumerate(zip((0.22, 0.0, -0.10), light.tint, strict=True)):
        canvas[:, :, channel] = (shading + share * warm + gloss) * np.float32(tint * light.exposure)
    return canvas
