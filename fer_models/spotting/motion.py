"""The motion of brows and lip corners within a window, away and back."""

import dataclasses

import numpy as np

# Most frames of a window in which flow is measured, evenly spread.
MOST_FRAMES = 16
# (top, bottom, left, right) in pixels of an aligned face of 128: the brows above the lids (blinks
# are not expressions), and the lip corners; the nose moves with the head alone.
SIDE = 128
REGIONS = {
    "left brow": (22, 40, 20, 58),
    "right brow": (22, 40, 70, 108),
    "left lip corner": (84, 108, 36, 60),
    "right lip corner": (84, 108, 68, 92),
}
NOSE = (56, 80, 52, 76)
# Below this share of the greatest motion, the expression has not begun or is over.
EDGE = 0.25


@dataclasses.dataclass(frozen=True)
class Motion:
    """The motion within a window, in pixels of a face of 128.

    Attributes:
        size: Distance from its first place of the region that moves most: that at the apex minus
            that at the end. So motion that comes back counts, and motion that stays does not.
        back: Share of the way that it comes back, from 0 to 1.
        head: Largest distance of the nose from its first place.
        region: Name of that region, out of `REGIONS`.
        onset, apex, offset: Numbers of frames in the window. At the apex the region is farthest
            away; onset and offset are the nearest frames before and after in which it is at most a
            quarter as far.
    """

    size: float
    back: float
    head: float
    region: str
    onset: int
    apex: int
    offset: int


def motion(faces: np.ndarray) -> Motion:
    """Measure the motion within a window.

    It is the dense optical flow from the first frame to the others: the mean in both brows and both
    lip corners, minus the mean on the nose, which is the motion of the head.

    Args:
        faces: uint8 `(frames, 128, 128, 1 or 3)`, three frames or more, aligned by the first one.

    Returns:
        `Motion`.

    Raises:
        ValueError: If the faces have another shape or type.

    Example:

    >>> still = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3), "uint8")
    >>> motion(np.repeat(still, 9, axis=0)).size
    0.0

    Reference:
        Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016; the nose as
        the head's motion: He et al., "Spotting Macro- and Micro-expression Intervals in Long
        Video Sequences", FG 2020.
    """
    faces = np.asarray(faces)
    right = faces.ndim == 4 and faces.shape[1:3] == (SIDE, SIDE) and faces.shape[3] in (1, 3)
    if not right or len(faces) < 3 or faces.dtype != np.uint8:
        raise ValueError(
            f"`faces` must be uint8 of shape (frames, {SIDE}, {SIDE}, 1 or 3), three frames or "
            f"more. Received: dtype={faces.dtype}, shape={faces.shape}"
        )
    places = np.linspace(0, len(faces) - 1, min(len(faces), MOST_FRAMES)).round().astype(int)
    flows = _flows([_grey(faces[place]) for place in places])
    nose = _mean(flows, NOSE)
    away = np.stack([np.hypot(*(_mean(flows, box) - nose).T) for box in REGIONS.values()])
    most = away.max(axis=1)
    sizes = most - away[:, -1]
    region = int(sizes.argmax())
    path = away[region]
    apex = int(path.argmax())
    low = np.flatnonzero(path <= EDGE * path[apex])
    before, after = low[low < apex], low[low > apex]
    return Motion(
        size=float(sizes[region]),
        back=float(sizes[region] / most[region]) if most[region] else 0.0,
        head=float(np.hypot(*nose.T).max()),
        region=list(REGIONS)[region],
        onset=int(places[before[-1] if len(before) else 0]),
        apex=int(places[apex]),
        offset=int(places[after[0] if len(after) else -1]),
    )


def _flows(greys):
    """Return the flow from the first picture to each, `(pictures, height, width, 2)`."""
    import cv2

    # A new one each time: it starts from the last flow, so results would depend on the order.
    measure = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    still = np.zeros((*greys[0].shape, 2), np.float32)
    return np.stack([still, *(measure.calc(greys[0], grey, None) for grey in greys[1:])])


def _grey(face):
    import cv2

    return face[..., 0] if face.shape[-1] == 1 else cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)


def _mean(flows, box):
    top, bottom, left, right = box
    return flows[:, top:bottom, left:right].mean(axis=(1, 2), dtype=np.float64)
