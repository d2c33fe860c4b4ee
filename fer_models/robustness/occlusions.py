"""Occlusions of a face, placed by its 68 landmarks, in five sizes each.

Lengths are in units of the distance between the eye centres, or of the width of the face between
the ends of the jaw line, so they fit every size and turn with the face in its picture. The painters
of `fer_data.synthetic` need the head in three dimensions; a photo has only its landmarks.
"""

import numpy as np

# Half width and half height of a lens between the eyes' distance: from small round ones to
# those that touch each other and cover the brows.
LENS = ((0.27, 0.19), (0.32, 0.24), (0.37, 0.29), (0.42, 0.34), (0.47, 0.39))
# The highest point of the jaw line and of the nose that a mask covers: under the nose, ..., under
# the eyes. 50.5 is half way between the nose and the upper lip.
MASK_JAW = (4, 3, 3, 2, 1)
MASK_NOSE = ((33, 51), (33, 33), (30, 30), (29, 30), (28, 28))
# Share of the palm's way from outside the face to mouth and nose.
HAND = (0.3, 0.48, 0.66, 0.83, 1.0)
# Breadth of an adult's hand as a share of the face's: 8.4 cm of 14 cm.
HAND_BREADTH = 0.6

_SUNGLASSES, _MASK, _FOLDS = (26, 26, 30), (206, 224, 236), (168, 186, 198)
_TURN = np.linspace(0, 2 * np.pi, 96, endpoint=False)
_SUBPIXELS = 4  # bits


def sunglasses(
    image: np.ndarray, level: int, rng: np.random.Generator, landmarks: np.ndarray
) -> np.ndarray:
    """Cover the eyes with dark glasses."""
    centres, across, down, unit = _axes(landmarks)
    wide, high = LENS[level]
    outline = np.stack([_rounded(np.cos(_TURN)) * wide, _rounded(np.sin(_TURN)) * high], 1) * unit
    for centre, ear, side in zip(centres, landmarks[[0, 16]], (-1, 1), strict=True):
        middle = centre + down * 0.04 * unit
        lens = middle + outline[:, :1] * across + outline[:, 1:] * down
        edge = middle + across * side * wide * unit - down * 0.3 * high * unit
        image = _line(image, [edge, ear - down * 0.1 * unit], _SUNGLASSES, 0.07 * unit)
        image = _fill(image, [lens], _SUNGLASSES, 0.94)
    bridge = [centre - down * 0.05 * unit for centre in centres]
    return _line(image, bridge, _SUNGLASSES, 0.07 * unit)


def mask(
    image: np.ndarray, level: int, rng: np.random.Generator, landmarks: np.ndarray
) -> np.ndarray:
    """Cover the lower face with a surgical mask."""
    _, _, down, unit = _axes(landmarks)
    first = MASK_JAW[level]
    jaw = landmarks[first : 17 - first]
    middle = jaw.mean(axis=0)
    jaw = middle + (jaw - middle) * 1.05
    top = landmarks[list(MASK_NOSE[level])].mean(axis=0)
    # From ear to ear over the nose; the quarter points lie near the middle's height.
    quarters = [0.4 * end + 0.6 * top + 0.1 * unit * down for end in (jaw[-1], jaw[0])]
    image = _fill(image, [np.concatenate([jaw, quarters[:1], [top], quarters[1:]])], _MASK, 1.0)
    for share in (0.35, 0.6, 0.85):
        ends = [(1 - share) * jaw[place] + share * landmarks[8] for place in (0, -1)]
        dip = (1 - share) * top + share * landmarks[8]
        ends = [0.75 * end + 0.25 * dip for end in ends]
        image = _line(image, [ends[0], dip, ends[1]], _FOLDS, 0.03 * unit)
    for end, ear in ((jaw[0], landmarks[0]), (jaw[-1], landmarks[16])):
        image = _line(image, [end, ear - 0.2 * unit * down], _FOLDS, 0.03 * unit)
    return image


def hand(
    image: np.ndarray, level: int, rng: np.random.Generator, landmarks: np.ndarray
) -> np.ndarray:
    """Lay a hand of the face's own colour over it, from below or a side, fingers first."""
    _, across, down, _ = _axes(landmarks)
    breadth = HAND_BREADTH * np.linalg.norm(landmarks[16] - landmarks[0])
    angle = rng.uniform(-1.2, 1.2)
    inward = -down * np.cos(angle) + across * np.sin(angle)
    aside = down * np.sin(angle) + across * np.cos(angle)
    target = landmarks[[30, 51, 57]].mean(axis=0)
    # At the first end the finger tips, 1.3 breadths before the palm's centre, touch the face.
    reach = np.linalg.norm(landmarks[8] - target) + 1.3 * breadth
    palm = target - inward * (1 - HAND[level]) * reach
    colour = 0.86 * _skin(image, landmarks)

    def put(image, shape, shade):
        points = palm + shape[:, :1] * aside * breadth - shape[:, 1:] * inward * breadth
        return _fill(image, [points], colour * shade, 1.0)

    circle = np.stack([np.cos(_TURN), np.sin(_TURN)], 1)
    arm = np.array([(-0.36, 0.3), (0.36, 0.3), (0.32, 3.0), (-0.32, 3.0)])
    image = put(image, arm, 0.94)
    thumb = circle * (0.13, 0.42) @ np.array([[0.77, -0.64], [0.64, 0.77]]) + (0.55, 0.0)
    image = put(image, thumb, 0.9)
    image = put(image, circle * (0.5, 0.56), 1.0)
    for place, length in zip((-0.375, -0.125, 0.125, 0.375), (0.36, 0.45, 0.47, 0.4), strict=True):
        finger = circle * (0.125, length) + (place, -0.34 - length)
        image = put(image, finger, 0.72)
        image = put(image, circle * (0.105, length - 0.015) + (place, -0.34 - length), 1.0)
    return image


OCCLUSIONS = {"sunglasses": sunglasses, "mask": mask, "hand": hand}


def _axes(landmarks):
    """Return the eye centres, the face's right and down (of length 1), the eyes' distance."""
    centres = landmarks[36:42].mean(axis=0), landmarks[42:48].mean(axis=0)
    apart = centres[1] - centres[0]
    unit = np.linalg.norm(apart)
    across = apart / unit
    return centres, across, np.array([-across[1], across[0]]), unit


def _rounded(wave):
    """Return the sine or cosine of a circle as that of a rounded rectangle."""
    return np.sign(wave) * np.abs(wave) ** 0.8


def _skin(image, landmarks):
    """Return the median colour between eyes, cheeks and mouth, or of a picture without them."""
    cheeks = landmarks[[1, 4, 12, 15]] * 0.5 + landmarks[30] * 0.5
    area = _coverage(image, [np.concatenate([landmarks[[39]], cheeks[:2], cheeks[2:],
                                             landmarks[[42]]])]) > 0.5  # fmt: skip
    return np.median(image[area] if area.any() else image.reshape(-1, image.shape[-1]), axis=0)


def _coverage(image, polygons):
    import cv2

    canvas = np.zeros(image.shape[:2], "uint8")
    cv2.fillPoly(canvas, _fixed(polygons), 255, cv2.LINE_AA, _SUBPIXELS)
    return canvas / np.float32(255)


def _fill(image, polygons, colour, opacity):
    return _blend(image, _coverage(image, polygons), colour, opacity)


def _line(image, points, colour, width):
    import cv2

    canvas = np.zeros(image.shape[:2], "uint8")
    thickness = max(1, round(width))
    cv2.polylines(
        canvas, _fixed([np.array(points)]), False, 255, thickness, cv2.LINE_AA, _SUBPIXELS
    )
    # Thinner than a pixel: fainter.
    return _blend(image, canvas / np.float32(255), colour, min(1.0, width))


def _fixed(polygons):
    # OpenCV takes whole numbers of fractions of a pixel; far outside it would overflow.
    return [
        np.round(np.clip(polygon, -1e4, 1e4) * 2**_SUBPIXELS).astype("int32")
        for polygon in polygons
    ]


def _blend(image, coverage, colour, opacity):
    colour = np.asarray(colour, "float32")
    if image.shape[-1] == 1 and colour.size == 3:
        colour = colour @ np.array([0.299, 0.587, 0.114], "float32")
    share = coverage[..., None] * np.float32(opacity)
    return image + (colour - image) * share
