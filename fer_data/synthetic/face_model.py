"""A small morphable face: control points, shape units and action units as linear bases.

In the spirit of CANDIDE-3 (J. Ahlberg, 2001): every control point is

    template + sum of shape units (who it is) + sum of action units (what the face does)

Face coordinates: the origin lies between the eyes, x to the right of the picture, y down, z to
the viewer; one unit is a little more than the half width of a head, eyes are 0.3 wide and the chin
lies at y = 1.2. The right half of the picture is written down, the left half is its mirror image.
"""

import numpy as np

from fer_data.synthetic.action_units import ACTION_UNITS

# ---------------------------------------------------------------------------------------------
# Template. Keys 17 to 67 are iBUG landmarks (centre line or right half); names are helpers.

_RIGHT = {
    22: (0.130, -0.215, 0.44), 23: (0.240, -0.275, 0.43), 24: (0.370, -0.295, 0.38),
    25: (0.490, -0.262, 0.29), 26: (0.585, -0.185, 0.17),
    27: (0.000, -0.030, 0.42), 28: (0.000, 0.120, 0.50), 29: (0.000, 0.270, 0.59),
    30: (0.000, 0.405, 0.66), 33: (0.000, 0.540, 0.55), 34: (0.075, 0.525, 0.52),
    35: (0.150, 0.490, 0.45),
    42: (0.180, 0.012, 0.27), 43: (0.262, -0.066, 0.32), 44: (0.385, -0.070, 0.30),
    45: (0.480, -0.006, 0.20), 46: (0.388, 0.052, 0.27), 47: (0.262, 0.056, 0.30),
    51: (0.000, 0.735, 0.51), 52: (0.062, 0.716, 0.51), 53: (0.170, 0.748, 0.46),
    54: (0.280, 0.805, 0.36), 55: (0.175, 0.872, 0.45), 56: (0.068, 0.906, 0.49),
    57: (0.000, 0.912, 0.50), 62: (0.000, 0.803, 0.52), 63: (0.085, 0.798, 0.51),
    64: (0.240, 0.805, 0.39), 65: (0.085, 0.812, 0.50), 66: (0.000, 0.815, 0.51),
    "crease0": (0.180, -0.040, 0.27), "crease1": (0.255, -0.118, 0.32),
    "crease2": (0.390, -0.124, 0.30), "crease3": (0.515, -0.050, 0.19),
    "bag0": (0.210, 0.095, 0.30), "bag1": (0.325, 0.125, 0.31), "bag2": (0.450, 0.085, 0.25),
    "ala0": (0.105, 0.400, 0.52), "ala1": (0.150, 0.430, 0.47), "ala2": (0.158, 0.480, 0.45),
    "ala3": (0.118, 0.522, 0.47),
    "nostril0": (0.040, 0.522, 0.53), "nostril1": (0.072, 0.504, 0.53),
    "nostril2": (0.108, 0.512, 0.50), "nostril3": (0.080, 0.534, 0.52),
    "fold0": (0.185, 0.455, 0.44), "fold1": (0.260, 0.570, 0.42),
    "fold2": (0.320, 0.690, 0.38), "fold3": (0.345, 0.820, 0.32),
    "cheek": (0.430, 0.400, 0.36), "chin": (0.000, 1.080, 0.47),
    "forehead": (0.000, -0.520, 0.50), "temple": (0.680, -0.250, 0.05),
    "furrow": (0.050, -0.190, 0.45), "rhinion": (0.000, 0.030, 0.45),
    "nose_side": (0.095, 0.200, 0.42), "philtrum": (0.000, 0.640, 0.53),
    "under_lip": (0.000, 0.985, 0.46), "crow": (0.600, 0.010, 0.10),
    "muzzle0": (0.000, 0.600, 0.55), "muzzle1": (0.140, 0.625, 0.51),
    "muzzle2": (0.275, 0.745, 0.40), "muzzle3": (0.290, 0.830, 0.37),
    "muzzle4": (0.120, 0.705, 0.50),
    "beard0": (0.720, 0.240, 0.02), "beard1": (0.560, 0.600, 0.20),
    "beard2": (0.370, 0.700, 0.36), "beard3": (0.200, 0.630, 0.47),
}  # fmt: skip

# Half the thickness of a brow at its five landmarks; the ends taper.
_BROW_HALF_THICKNESS = (0.022, 0.028, 0.026, 0.019, 0.004)
for _i, _half in enumerate(_BROW_HALF_THICKNESS):
    _x, _y, _z = _RIGHT[22 + _i]
    _RIGHT[f"brow_top{_i}"] = (_x, _y - _half, _z)
    _RIGHT[f"brow_low{_i}"] = (_x, _y + _half, _z)

# Helpers that go with landmarks: the displacement of a helper is this mixture of theirs.
_FOLLOWS = {
    "crease0": {42: 0.6, 22: 0.1}, "crease1": {43: 0.5, 23: 0.25},
    "crease2": {44: 0.5, 24: 0.25}, "crease3": {45: 0.6, 26: 0.2},
    "bag0": {47: 0.6}, "bag1": {46: 0.3, 47: 0.3}, "bag2": {46: 0.6},
    "ala0": {35: 0.6, 30: 0.4}, "ala1": {35: 1.0}, "ala2": {35: 1.0}, "ala3": {35: 0.7, 34: 0.3},
    "nostril0": {34: 1.0}, "nostril1": {34: 0.7, 35: 0.3}, "nostril2": {34: 0.5, 35: 0.5},
    "nostril3": {34: 0.8, 35: 0.2},
    "fold0": {35: 0.9}, "fold1": {35: 0.5, 54: 0.25}, "fold2": {35: 0.2, 54: 0.55},
    "fold3": {54: 0.75},
    "furrow": {22: 0.6}, "rhinion": {27: 1.0}, "nose_side": {28: 0.5, 29: 0.5},
    "philtrum": {33: 0.5, 51: 0.5}, "under_lip": {57: 0.9}, "crow": {45: 0.8},
    "muzzle0": {33: 0.6, 51: 0.4}, "muzzle1": {33: 0.4, 53: 0.5}, "muzzle2": {54: 0.8},
    "muzzle3": {54: 0.95}, "muzzle4": {53: 0.8},
    "beard2": {54: 0.4}, "beard3": {35: 0.3, 53: 0.3},
    **{f"brow_{edge}{i}": {22 + i: 1.0} for edge in ("top", "low") for i in range(5)},
}  # fmt: skip

# Mirror images of the right-half landmarks in iBUG order.
_MIRROR = {
    22: 21, 23: 20, 24: 19, 25: 18, 26: 17, 34: 32, 35: 31,
    42: 39, 43: 38, 44: 37, 45: 36, 46: 41, 47: 40,
    52: 50, 53: 49, 54: 48, 55: 59, 56: 58, 63: 61, 64: 60, 65: 67,
}  # fmt: skip

_CENTRE = [key for key, point in _RIGHT.items() if point[0] == 0]
_SIDED = [key for key in _RIGHT if key not in _CENTRE]
_NAMES = [key for key in _SIDED if isinstance(key, str)]

#: The row of a control point in the control array: `INDEX[30]`, `INDEX["cheek"]` (right side of
#: the picture) and `INDEX["cheek_left"]`. Rows 0 to 16 are kept for the jaw, see `silhouette`.
INDEX: dict[int | str, int] = {i: i for i in range(17, 68)}
for _name in _NAMES:
    INDEX[_name] = 68 + 2 * _NAMES.index(_name)
    INDEX[f"{_name}_left"] = INDEX[_name] + 1
for _name in (key for key in _CENTRE if isinstance(key, str)):
    INDEX[_name] = 68 + 2 * len(_NAMES) + [k for k in _CENTRE if isinstance(k, str)].index(_name)
CONTROLS = 1 + max(INDEX.values())


def _left(key):
    if key in _CENTRE:
        return INDEX[key]
    return _MIRROR[key] if isinstance(key, int) else INDEX[f"{key}_left"]


def both_sides(key: int | str) -> tuple[int, int]:
    """Return the rows of a control point, right and left in the picture (8: tip of the chin)."""
    return (8, 8) if key == 8 else (INDEX[key], _left(key))


TEMPLATE = np.zeros((CONTROLS, 3))
for _key, (_x, _y, _z) in _RIGHT.items():
    TEMPLATE[INDEX[_key]] = (_x, _y, _z)  # type: ignore[index]
    TEMPLATE[_left(_key)] = (-_x, _y, _z)

# ---------------------------------------------------------------------------------------------
# Action units: displacement (dx, dy) of right-half landmarks at full strength.

_AU = {
    1: {22: (-0.005, -0.130), 23: (0.0, -0.085), 24: (0.0, -0.025), 43: (0.0, -0.008)},
    2: {23: (0.0, -0.040), 24: (0.0, -0.090), 25: (0.010, -0.125), 26: (0.010, -0.095),
        44: (0.0, -0.008)},
    4: {22: (-0.045, 0.105), 23: (-0.030, 0.085), 24: (-0.015, 0.045), 25: (-0.005, 0.010),
        42: (-0.004, 0.004), 43: (0.0, 0.010)},
    5: {43: (0.0, -0.052), 44: (0.0, -0.055), 42: (0.0, -0.004), 45: (0.0, -0.006)},
    6: {45: (-0.010, -0.004), 46: (0.0, -0.036), 47: (0.0, -0.030), 44: (0.0, 0.014),
        43: (0.0, 0.008), "cheek": (0.0, -0.070), 26: (0.0, 0.012)},
    7: {46: (0.0, -0.026), 47: (0.0, -0.028), 43: (0.0, 0.016), 44: (0.0, 0.018)},
    9: {35: (0.020, -0.060), 34: (0.010, -0.045), 33: (0.0, -0.035), 30: (0.0, -0.030),
        22: (-0.020, 0.060), 23: (-0.010, 0.045), 24: (0.0, 0.020), 47: (0.0, -0.028),
        46: (0.0, -0.016), 43: (0.0, 0.018), 44: (0.0, 0.012), 51: (0.0, -0.050),
        52: (0.004, -0.060), 53: (0.010, -0.045), 62: (0.0, -0.026), 63: (0.0, -0.026),
        "cheek": (0.0, -0.045)},
    10: {51: (0.0, -0.055), 52: (0.0, -0.065), 53: (0.015, -0.060), 62: (0.0, -0.050),
         63: (0.005, -0.050), 35: (0.015, -0.015), 54: (0.010, -0.010)},
    12: {54: (0.080, -0.125), 53: (0.050, -0.070), 52: (0.018, -0.006), 51: (0.0, 0.010),
         55: (0.055, -0.060), 56: (0.015, 0.0), 57: (0.0, 0.006), 64: (0.080, -0.118),
         63: (0.025, -0.020), 65: (0.025, -0.016), "cheek": (0.030, -0.045),
         35: (0.010, -0.006)},
    14: {54: (0.045, -0.012), 64: (0.045, -0.012), 53: (0.018, 0.0), 55: (0.018, 0.0)},
    15: {54: (0.010, 0.118), 53: (0.006, 0.052), 55: (0.010, 0.058), 64: (0.005, 0.100),
         63: (0.0, 0.014), 65: (0.0, 0.016)},
    16: {55: (0.010, 0.050), 56: (0.006, 0.066), 57: (0.0, 0.068), 65: (0.006, 0.072),
         66: (0.0, 0.074)},
    17: {55: (0.0, -0.028), 56: (0.0, -0.036), 57: (0.0, -0.038), 62: (0.0, -0.020),
         63: (0.0, -0.018), 65: (0.0, -0.020), 66: (0.0, -0.022), 51: (0.0, -0.016),
         52: (0.0, -0.016), 54: (0.0, 0.012), 64: (0.0, 0.012), "chin": (0.0, -0.030)},
    20: {54: (0.125, 0.040), 64: (0.122, 0.036), 53: (0.075, 0.018), 55: (0.075, 0.008),
         52: (0.020, 0.012), 51: (0.0, 0.012), 56: (0.020, -0.006), 63: (0.035, 0.0),
         65: (0.035, 0.008)},
    23: {54: (-0.060, 0.0), 64: (-0.050, 0.0), 53: (-0.030, 0.024), 52: (-0.010, 0.040),
         51: (0.0, 0.036), 55: (-0.030, -0.034), 56: (-0.012, -0.052), 57: (0.0, -0.054),
         63: (-0.015, 0.003), 65: (-0.015, -0.003), 62: (0.0, 0.003), 66: (0.0, -0.003)},
    25: {62: (0.0, -0.022), 63: (0.0, -0.020), 51: (0.0, -0.014), 52: (0.0, -0.014),
         53: (0.0, -0.008), 65: (0.0, 0.046), 66: (0.0, 0.050), 55: (0.0, 0.028),
         56: (0.0, 0.042), 57: (0.0, 0.044), 64: (0.006, 0.004)},
    26: {62: (0.0, -0.012), 63: (-0.005, -0.010), 51: (0.0, -0.010), 52: (0.0, -0.010),
         54: (-0.035, 0.060), 64: (-0.040, 0.065), 53: (-0.018, 0.012), 65: (0.0, 0.185),
         66: (0.0, 0.195), 55: (-0.015, 0.130), 56: (0.0, 0.178), 57: (0.0, 0.185),
         "chin": (0.0, 0.185), "beard1": (0.0, 0.05)},
    43: {43: (0.004, 0.112), 44: (0.004, 0.112)},
}  # fmt: skip

AU_ORDER = tuple(ACTION_UNITS)


def _resolve(moves):
    """Return the displacement of every right-half key, followers included, as {key: (dx, dy)}."""
    moves = dict(moves)
    for follower, leaders in _FOLLOWS.items():
        own = np.array(moves.get(follower, (0.0, 0.0)))
        for leader, weight in leaders.items():
            own = own + weight * np.array(moves.get(leader, (0.0, 0.0)))
        if own.any():
            moves[follower] = tuple(own)
    return moves


def _action_basis():
    """Return (units, 2 sides, controls, 3); centre points get half from either side."""
    basis = np.zeros((len(AU_ORDER), 2, CONTROLS, 3))
    for k, unit in enumerate(AU_ORDER):
        for key, (dx, dy) in _resolve(_AU[unit]).items():
            if key in _CENTRE:
                basis[k, :, INDEX[key], 1] = dy / 2
            else:
                basis[k, 0, _left(key), :2] = (-dx, dy)
                basis[k, 1, INDEX[key], :2] = (dx, dy)
    return basis.reshape(len(AU_ORDER) * 2, CONTROLS, 3)


ACTION_BASIS = _action_basis()

# ---------------------------------------------------------------------------------------------
# The head: horizontal cross sections (half ellipses seen from above), from crown to chin.
# Columns: y, half width, z of the centre, half depth. Sections 6 to 14 carry landmarks 0 to 16.

SECTIONS = np.array([
    (-1.200, 0.000, -0.40, 0.00), (-1.120, 0.350, -0.40, 0.40), (-0.950, 0.610, -0.40, 0.65),
    (-0.700, 0.755, -0.40, 0.80), (-0.400, 0.805, -0.38, 0.85), (-0.150, 0.810, -0.35, 0.83),
    (0.000, 0.800, -0.32, 0.78), (0.220, 0.782, -0.28, 0.72), (0.420, 0.748, -0.20, 0.64),
    (0.620, 0.696, -0.10, 0.54), (0.800, 0.614, 0.00, 0.44), (0.950, 0.505, 0.10, 0.34),
    (1.070, 0.365, 0.20, 0.25), (1.160, 0.190, 0.28, 0.17), (1.200, 0.000, 0.32, 0.12),
])  # fmt: skip
_JAW_DROP = 0.17 * np.clip((SECTIONS[:, 0] - 0.35) / 0.75, 0, 1)

# ---------------------------------------------------------------------------------------------
# Shape units: (dx, dy) fields over the face, one standard deviation each.


def _ramp(y, start, end):
    return np.clip((y - start) / (end - start), 0, 1)


def _local(keys, dx=0.0, dy=0.0):
    moves = _resolve(dict.fromkeys(keys, (dx, dy)))
    field = np.zeros((CONTROLS, 2))
    for key, (x, y) in moves.items():
        field[INDEX[key]] = (x, y)
        field[_left(key)] = (-x if key not in _CENTRE else 0.0, y)
    return field


def _grow(keys, centre, sx, sy):
    """Scale a feature about its centre (right side), by `sx` and `sy` of its own size."""
    moves = {
        key: ((_RIGHT[key][0] - centre[0]) * sx, (_RIGHT[key][1] - centre[1]) * sy) for key in keys
    }
    field = np.zeros((CONTROLS, 2))
    for key, (x, y) in moves.items():
        field[INDEX[key]] = (x, y)
        field[_left(key)] = (-x if key not in _CENTRE else 0.0, y)
    return field


_EYE = (42, 43, 44, 45, 46, 47)
_EYE_ALL = (*_EYE, "crease0", "crease1", "crease2", "crease3", "bag0", "bag1", "bag2")
_BROW = (22, 23, 24, 25, 26)
_NOSE = (33, 34, 35, "ala0", "ala1", "ala2", "ala3",
         "nostril0", "nostril1", "nostril2", "nostril3")  # fmt: skip
_MOUTH = (51, 52, 53, 54, 55, 56, 57, 62, 63, 64, 65, 66)


def _fields():
    x, y = TEMPLATE[:, 0], TEMPLATE[:, 1]
    zero = np.zeros_like(x)

    def everywhere(dx, dy):
        return np.stack([dx + zero, dy + zero], 1)

    brow_edges = np.zeros((CONTROLS, 2))
    for i, half in enumerate(_BROW_HALF_THICKNESS):
        for edge, sign in (("top", -1), ("low", 1)):
            for side in ("", "_left"):
                brow_edges[INDEX[f"brow_{edge}{i}{side}"], 1] = 0.30 * sign * half
    tilt = _local([22], dy=0.015) + _local([23], dy=0.007)
    tilt += _local([25], dy=-0.008) + _local([26], dy=-0.015)
    return {
        "face_width": everywhere(0.038 * x, 0.0),
        "jaw_width": everywhere(0.020 * x * _ramp(y, 0.3, 0.9), 0.0),
        "lower_face": everywhere(0.0, 0.035 * _ramp(y, 0.3, 1.2)),
        "forehead": everywhere(0.0, 0.0),
        "eye_spacing": _local(_EYE_ALL, dx=0.012) + 0.6 * _local(_BROW, dx=0.012),
        "eye_width": _grow(_EYE_ALL, (0.33, 0.0), 0.06, 0.05),
        "eye_opening": _grow((43, 44, 46, 47), (0.33, 0.0), 0.0, 0.10),
        "eye_tilt": _local([45], dy=-0.012) + _local([42], dy=0.006),
        "eye_height": _local((*_EYE_ALL, *_BROW), dy=0.012),
        "brow_height": _local(_BROW, dy=-0.014),
        "brow_tilt": tilt,
        "brow_thickness": brow_edges,
        "nose_length": _local((29, 30, 33, 34, 35), dy=0.020) + _local([28], dy=0.008),
        "nose_width": _grow(_NOSE, (0.0, 0.5), 0.11, 0.0),
        "mouth_width": _grow(_MOUTH, (0.0, 0.8), 0.065, 0.0),
        "mouth_height": _local(_MOUTH, dy=0.016),
        "upper_lip": _local((51, 52), dy=-0.012) + _local([53], dy=-0.007),
        "lower_lip": _local((56, 57), dy=0.014) + _local([55], dy=0.008),
        "mouth_curve": _local((54, 64), dy=0.008) + _local((53, 55), dy=0.003),
    }


_FIELDS = _fields()
SHAPE_UNITS = tuple(_FIELDS)
SHAPE_BASIS = np.zeros((len(SHAPE_UNITS), CONTROLS, 3))
for _k, _field in enumerate(_FIELDS.values()):
    SHAPE_BASIS[_k, :, :2] = _field


def shaped_sections(shape: np.ndarray) -> np.ndarray:
    """Return the head's cross sections (15, 4) of a person, see `SECTIONS`."""
    value = dict(zip(SHAPE_UNITS, shape, strict=True))
    sections = SECTIONS.copy()
    y = SECTIONS[:, 0]
    sections[:, 1] *= 1 + 0.050 * value["face_width"]
    sections[:, 1] *= 1 + 0.060 * value["jaw_width"] * _ramp(y, 0.2, 0.9)
    sections[:, 0] += 0.035 * value["lower_face"] * _ramp(y, 0.3, 1.2)
    sections[:, 0] -= 0.035 * value["forehead"] * _ramp(-y, 0.3, 1.2)
    return sections


def deform(
    controls: np.ndarray, sections: np.ndarray, strengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Move a person's control points by action units.

    Args:
        controls: float (C, 3), the person's neutral control points.
        sections: float (15, 4), the person's head.
        strengths: float (units, 2), strength on the left and the right of the picture, in the
            order of `AU_ORDER`.

    Returns:
        Control points (C, 3) and sections (15, 4), new arrays.
    """
    moved = controls + np.tensordot(strengths.ravel(), ACTION_BASIS, 1)
    drop = strengths[AU_ORDER.index(26)].mean()
    sections = sections.copy()
    sections[:, 0] += drop * _JAW_DROP
    # Lids and lips meet, they never cross.
    meeting = moved[_LOWER_EDGE, 1] - _EDGE_GAP
    moved[_UPPER_EDGE, 1] = np.minimum(moved[_UPPER_EDGE, 1], meeting)
    return moved, sections


# Points of an upper lid or lip, and the points below them.
_UPPER_EDGE = np.array([37, 38, 43, 44, 61, 62, 63])
_LOWER_EDGE = np.array([41, 40, 47, 46, 67, 66, 65])
_EDGE_GAP = 0.006

# ---------------------------------------------------------------------------------------------
# Contours: Catmull-Rom curves through control points, each dense point a mix of four of them.

_STEPS = 5
_BROW_LEFT = [f"brow_top{i}_left" for i in range(5)], [f"brow_low{i}_left" for i in range(5)]
_BROW_RIGHT = [f"brow_top{i}" for i in range(5)], [f"brow_low{i}" for i in range(5)]


def _names(stem, count, side=""):
    return [f"{stem}{i}{side}" for i in range(count)]


_OPEN = {
    "eye_left_upper": [36, 37, 38, 39], "eye_left_lower": [36, 41, 40, 39],
    "eye_right_upper": [42, 43, 44, 45], "eye_right_lower": [42, 47, 46, 45],
    "crease_left": _names("crease", 4, "_left"), "crease_right": _names("crease", 4),
    "bag_left": _names("bag", 3, "_left"), "bag_right": _names("bag", 3),
    "brow_left_top": _BROW_LEFT[0], "brow_left_low": _BROW_LEFT[1],
    "brow_right_top": _BROW_RIGHT[0], "brow_right_low": _BROW_RIGHT[1],
    "lip_upper_outer": [48, 49, 50, 51, 52, 53, 54],
    "lip_lower_outer": [48, 59, 58, 57, 56, 55, 54],
    "lip_upper_inner": [60, 61, 62, 63, 64], "lip_lower_inner": [60, 67, 66, 65, 64],
    "ala_left": _names("ala", 4, "_left"), "ala_right": _names("ala", 4),
    "fold_left": _names("fold", 4, "_left"), "fold_right": _names("fold", 4),
    "nose_base": [31, 32, 33, 34, 35],
    "moustache_top": ["muzzle3_left", "muzzle2_left", "muzzle1_left", "muzzle0", "muzzle1",
                      "muzzle2", "muzzle3"],
    "moustache_low": ["muzzle3_left", "muzzle4_left", 51, "muzzle4", "muzzle3"],
    "beard_edge": ["beard0_left", "beard1_left", "beard2_left", "beard3_left", "muzzle0", "beard3",
                   "beard2", "beard1", "beard0"],
}  # fmt: skip
_CLOSED = {
    "nostril_left": _names("nostril", 4, "_left"),
    "nostril_right": _names("nostril", 4),
}


def catmull_rom(points: int, closed: bool, steps: int = _STEPS) -> tuple[np.ndarray, np.ndarray]:
    """Return tap indices (P, 4) and weights (P, 4) of the curve through `points` control points."""
    t = np.arange(steps) / steps
    cubic = (
        np.stack(
            [
                -t + 2 * t**2 - t**3,
                2 - 5 * t**2 + 3 * t**3,
                t + 4 * t**2 - 3 * t**3,
                t**3 - t**2,
            ],
            1,
        )
        / 2
    )
    segments = points if closed else points - 1
    taps = np.arange(segments)[:, None] + np.array([-1, 0, 1, 2])
    taps = taps % points if closed else np.clip(taps, 0, points - 1)
    taps, weights = np.repeat(taps, steps, 0), np.tile(cubic, (segments, 1))
    if not closed:
        taps = np.concatenate([taps, np.full((1, 4), points - 1)])
        weights = np.concatenate([weights, [[0.0, 1.0, 0.0, 0.0]]])
    return taps, weights


def _contours():
    taps, weights, where, start = [], [], {}, 0
    for closed, curves in ((False, _OPEN), (True, _CLOSED)):
        for name, keys in curves.items():
            tap, weight = catmull_rom(len(keys), closed)
            taps.append(np.array([INDEX[key] for key in keys])[tap])
            weights.append(weight)
            where[name] = slice(start, start + len(tap))
            start += len(tap)
    return np.concatenate(taps), np.concatenate(weights), where


_TAPS, _WEIGHTS, CONTOURS = _contours()


def contours(controls: np.ndarray) -> np.ndarray:
    """Return dense points of all contours (P, 3); `CONTOURS[name]` is the slice of one of them."""
    return np.einsum("pt,ptc->pc", _WEIGHTS, controls[_TAPS])


_OUTLINE_TAPS, _OUTLINE_WEIGHTS = catmull_rom(28, closed=True)
#: Dense points from one control point of the head outline to the next; outline point 0 is the
#: crown.
OUTLINE_STEP = _STEPS
# How far round a cheek may turn out of sight before the ear line ends the face.
_EAR_LINE = -0.3


def silhouette(sections: np.ndarray, yaw: float) -> np.ndarray:
    """Return the outline, seen from the front, of a head turned by `yaw` radians.

    The outline of an elliptic section is where its normal is at right angles to the view; on the
    near side it stops at the ear line. Returned clockwise from the crown: crown, right side of
    the picture down to the jaw, chin, left side up. float (28, 3), unrotated face coordinates.
    """
    y, width, centre, depth = sections.T
    turn = np.arctan2(depth * np.sin(yaw), np.maximum(width, 1e-6) * np.cos(yaw))
    right, left = np.maximum(turn, _EAR_LINE), np.maximum(-turn, _EAR_LINE)
    # A section without width is one point, and it lies in front.
    right[width == 0], left[width == 0] = np.pi / 2, np.pi / 2
    right = np.stack([width * np.cos(right), y, centre + depth * np.sin(right)], 1)
    left = np.stack([-width * np.cos(left), y, centre + depth * np.sin(left)], 1)
    return np.concatenate([right, left[-2:0:-1]])


def smooth_outline(points: np.ndarray) -> np.ndarray:
    """Return the dense closed curve (140, C) through the 28 points of `silhouette`."""
    return np.einsum("pt,ptc->pc", _OUTLINE_WEIGHTS, points[_OUTLINE_TAPS])


#: Rows of `silhouette` that are landmarks 0 to 16: left ear, chin, right ear.
JAW_ROWS = np.array([22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6])


def on_skull(
    sections: np.ndarray, angle: np.ndarray, y: np.ndarray | float, out: float = 0.0
) -> np.ndarray:
    """Return points (N, 3) on the head, at heights `y`, `angle` radians right of the front."""
    width = np.interp(y, sections[:, 0], sections[:, 1]) * (1 + out)
    centre = np.interp(y, sections[:, 0], sections[:, 2])
    depth = np.interp(y, sections[:, 0], sections[:, 3]) * (1 + out)
    return np.stack([width * np.sin(angle), y + 0 * angle, centre + depth * np.cos(angle)], 1)
