"""Painting of a face part by part, from the background to the spectacles."""

from collections.abc import Mapping, Sequence

import numpy as np

from fer_data.synthetic import hair
from fer_data.synthetic.canvas import Canvas
from fer_data.synthetic.face_geometry import Geometry, Parts
from fer_data.synthetic.face_model import CONTOURS, INDEX
from fer_data.synthetic.identity import Identity
from fer_data.synthetic.projection import View
from fer_data.synthetic.scene import Scene

_ANGLES = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1)
_IRIS_RADIUS = 0.076
_TOOTH = np.array([238.0, 232.0, 220.0])
_MOUTH = np.array([70.0, 22.0, 24.0])
_TONGUE = np.array([176.0, 88.0, 88.0])
_SCLERA = np.array([236.0, 233.0, 230.0])
_DARK = np.array([26.0, 16.0, 14.0])


def mix(
    first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray, share: float
) -> np.ndarray:
    """Return a colour between two; `share` is that of the second."""
    return np.asarray(first) * (1 - share) + np.asarray(second) * share


def paint_neck(
    canvas: Canvas, identity: Identity, view: View, jaw: float, clothes: Sequence[float]
) -> None:
    """Paint neck and shoulders; `jaw` is the lowest silhouette height in face coordinates."""
    top = view.flatten(np.array([[-0.46, jaw - 0.65, -0.30], [0.46, jaw - 0.65, -0.30]]))
    base = jaw + 0.35
    body = view.upright(
        np.array([
            [0.46, base - 0.10], [0.56, base + 0.04], [1.00, base + 0.17], [1.42, base + 0.34],
            [1.70, base + 1.4], [-1.70, base + 1.4], [-1.42, base + 0.34], [-1.00, base + 0.17],
            [-0.56, base + 0.04], [-0.46, base - 0.10],
        ])
    )  # fmt: skip
    collar = view.upright(np.array([[0.40, base - 0.03], [0.0, base + 0.30], [-0.40, base - 0.03]]))
    canvas.fill(body[1:-1], clothes, 70)
    canvas.fill(np.concatenate([top, body[:2], collar, body[-2:]]), identity.skin * 0.93, 235)
    canvas.line(
        np.concatenate([body[1:2], collar, body[-2:-1]]), mix(clothes, _DARK, 0.4), 0.03, 70
    )


def paint_ears(canvas: Canvas, identity: Identity, view: View, sections: np.ndarray) -> None:
    """Paint the ears, which the head covers in part when it is painted over them."""
    width = sections[7, 1]
    for side in (-1, 1):
        x, y = 0.10 * _CIRCLE[:, 0], 0.20 * _CIRCLE[:, 1]
        # Narrower at the lobe.
        x = x * (1 - 0.35 * np.clip(y / 0.20, 0, 1))
        ear = np.stack(
            [side * (width + 0.05 + x), 0.16 + y, np.full_like(x, sections[7, 2] - 0.05)], 1
        )
        canvas.fill(view.flatten(ear), identity.skin * (0.95, 0.88, 0.86))
        middle = ear.mean(0)
        inner = middle + 0.5 * (ear - middle)
        canvas.fill(view.flatten(inner), identity.skin * (0.78, 0.68, 0.66))


def paint_beard(canvas: Canvas, identity: Identity, parts: Parts, outline: np.ndarray) -> None:
    """Paint a beard inwards from the jaw; `outline` runs from the right ear to the left one."""
    if not identity.beard:
        return
    inner = parts["beard_edge"]
    centre = np.array([0.0, 0.75])
    for layer, share in enumerate((0.35, 0.7, 1.0)):
        edge = inner + (inner - centre) * (0.07 * (layer - 1)) * (1, 0.6)
        colour = mix(identity.skin, identity.hair_colour, 0.80 * identity.beard * share)
        canvas.fill(np.concatenate([outline, edge]), colour)


def paint_moustache(canvas: Canvas, identity: Identity, parts: Parts) -> None:
    """Paint the moustache, if the person has one."""
    if not identity.moustache:
        return
    ring = parts.ring("moustache_top", "moustache_low")
    canvas.fill(ring, mix(identity.skin, identity.hair_colour, 0.80 * identity.moustache))


def _between_lids(disc, upper, lower):
    """Cut a disc (N, 3) to the opening between two lid curves (x ascending)."""
    disc = disc.copy()
    top = np.interp(disc[:, 0], upper[:, 0], upper[:, 1])
    low = np.interp(disc[:, 0], lower[:, 0], lower[:, 1])
    disc[:, 1] = np.minimum(np.maximum(disc[:, 1], top), low)
    disc[:, 0] = np.clip(disc[:, 0], upper[0, 0], upper[-1, 0])
    return disc


def paint_eyes(
    canvas: Canvas,
    identity: Identity,
    parts: Parts,
    controls: np.ndarray,
    gaze: tuple[float, float],
) -> None:
    """Paint both eyes: lids, white, iris and pupil, turned by `gaze`."""
    view = parts.view
    fold = mix(identity.skin, _DARK, 0.42)
    lash = mix(identity.brow_colour, _DARK, 0.7)
    for side, corners in (("left", (36, 39)), ("right", (42, 45))):
        names = f"eye_{side}_upper", f"eye_{side}_lower"
        upper, lower = (parts.solid[CONTOURS[name]] for name in names)
        canvas.fill(parts.ring(*names), _SCLERA * 0.97)
        centre = controls[list(corners)].mean(0)
        # The eyeball sits in the skull: lids and gaze move, the centre does not.
        centre += np.array([0.045 * gaze[0], 0.03 * gaze[1] - 0.006, 0.06])
        disc = np.column_stack([_IRIS_RADIUS * _CIRCLE, np.zeros(len(_CIRCLE))])
        iris = _between_lids(centre + disc, upper, lower)
        pupil = _between_lids(centre + 0.45 * disc, upper, lower)
        glint = _between_lids(centre + (0.022, -0.026, 0) + 0.17 * disc, upper, lower)
        flat = view.flatten(np.concatenate([iris, pupil, glint]))
        count = len(disc)
        canvas.fill(flat[:count], identity.iris, 200)
        canvas.fill(flat[count : 2 * count], _DARK, 200)
        canvas.fill(flat[2 * count :], (250, 250, 250), 120)
        canvas.line(parts[f"crease_{side}"], mix(identity.skin, _DARK, 0.28), 0.012)
        canvas.line(parts[names[1]], fold, 0.012)
        canvas.line(parts[names[0]], lash, 0.030)


def paint_nose(canvas: Canvas, identity: Identity, parts: Parts) -> None:
    """Paint wings and nostrils of the nose."""
    soft = mix(identity.skin, _DARK, 0.26)
    for side in ("left", "right"):
        canvas.line(parts[f"ala_{side}"], soft, 0.014)
        canvas.fill(parts[f"nostril_{side}"], mix(identity.skin, _DARK, 0.72))


def _strip(lip, upper, lower, edge):
    """Return the part of the mouth's opening between one lip and the height `edge`."""
    far = lip.copy()
    far[:, 1] = np.clip(edge, upper[:, 1], lower[:, 1])
    return np.concatenate([lip, far[::-1]])


def paint_mouth(canvas: Canvas, identity: Identity, parts: Parts, controls: np.ndarray) -> None:
    """Paint lips, teeth and the opening between them."""
    view = parts.view
    upper = parts.solid[CONTOURS["lip_upper_inner"]]
    lower = parts.solid[CONTOURS["lip_lower_inner"]]
    opening = np.max(lower[:, 1] - upper[:, 1])
    if opening > 0.02:
        canvas.fill(parts.ring("lip_upper_inner", "lip_lower_inner"), _MOUTH)
        # Upper teeth belong to the skull, lower teeth and tongue to the jaw.
        skull = 0.5 * (controls[33, 1] - 0.54) + 0.853
        jaw = max(lower[:, 1].max() - 0.055, skull + 0.01)
        tongue = _strip(lower, upper, lower, jaw - 0.005)
        strips = [tongue, _strip(lower, upper, lower, jaw + 0.015)]
        strips.append(_strip(upper, upper, lower, skull))
        flat = view.flatten(np.concatenate(strips))
        count = len(tongue)
        canvas.fill(flat[:count], _TONGUE * 0.75)
        canvas.fill(flat[count : 2 * count], _TOOTH * 0.62)
        canvas.fill(flat[2 * count :], _TOOTH)
    canvas.fill(parts.ring("lip_upper_outer", "lip_upper_inner"), identity.lips * 0.88)
    canvas.fill(parts.ring("lip_lower_outer", "lip_lower_inner"), identity.lips)
    seam = mix(identity.lips, _DARK, 0.62)
    canvas.line(parts["lip_upper_inner"], seam, 0.018)


def paint_wrinkles(
    canvas: Canvas,
    identity: Identity,
    parts: Parts,
    strength: Mapping[int, float],
    controls: np.ndarray,
) -> None:
    """Paint the lines that are sharper than shade: between the brows and beside the nose."""
    depth = 0.5 + 0.5 * identity.age
    furrow = 0.42 * depth * max(strength[4], 0.5 * strength[9])
    if furrow > 0.02:
        anchors = controls[[INDEX["furrow"], INDEX["furrow_left"]]]
        tall = np.array([[0.0, -0.085, 0.0], [0.006, 0.0, 0.0], [0.0, 0.06, 0.0]])
        lines = [parts.view.flatten(anchor + tall) for anchor in anchors]
        canvas.line(lines, mix(identity.skin, _DARK, furrow), 0.014)
    folds = (
        0.34 * depth * min(1.0, max(strength[12], strength[9], strength[10], 0.3 * identity.age))
    )
    if folds > 0.02:
        lines = [parts["fold_left"], parts["fold_right"]]
        canvas.line(lines, mix(identity.skin, _DARK, folds), 0.016)
    bridge = 0.42 * depth * strength[9]
    if bridge > 0.02:
        across = np.array([[-0.075, 0.012, -0.03], [0.0, 0.0, 0.0], [0.075, 0.012, -0.03]])
        at = controls[INDEX["rhinion"]]
        lines = [parts.view.flatten(at + across + (0, dy, 0.02)) for dy in (-0.035, 0.035)]
        canvas.line(lines, mix(identity.skin, _DARK, bridge), 0.014)


def paint_brows(canvas: Canvas, identity: Identity, parts: Parts) -> None:
    """Paint both brows."""
    for side in ("left", "right"):
        ring = parts.ring(f"brow_{side}_top", f"brow_{side}_low")
        canvas.fill(ring, identity.brow_colour)


def paint_glasses(canvas: Canvas, identity: Identity, view: View, controls: np.ndarray) -> None:
    """Paint the glasses, if the person wears any."""
    if identity.glasses is None:
        return
    square = identity.glasses == "square"
    power = 0.55 if square else 0.9
    shape = np.sign(_CIRCLE) * np.abs(_CIRCLE) ** power * ((0.25, 0.18) if square else (0.22, 0.21))
    rims = []
    for side, corners in ((-1, (36, 39)), (1, (42, 45))):
        centre = controls[list(corners)].mean(0)
        rim = np.column_stack([shape + centre[:2] + (0.02 * side, 0.03), np.full(len(shape), 0.46)])
        rim[:, 2] -= 0.25 * (np.abs(rim[:, 0]) - 0.33)
        rims.append(view.flatten(rim))
        temple = np.array([[0.60 * side, 0.0, 0.38], [0.84 * side, -0.02, -0.25]])
        canvas.line(view.flatten(temple), identity.glasses_colour, 0.03, 90)
    canvas.line(rims, identity.glasses_colour, 0.035, 90, closed=True)
    bridge = np.array([[-0.12, 0.0, 0.50], [0.0, -0.03, 0.53], [0.12, 0.0, 0.50]])
    canvas.line(view.flatten(bridge), identity.glasses_colour, 0.035, 90)


def paint_bars(canvas: Canvas, bars: np.ndarray) -> None:
    """Paint things in the background: tilted rectangles, in fractions of the picture."""
    view = canvas.view
    middle = float(canvas.pixels[view.size, view.size].mean())
    for x, y, width, height, tilt, grey in bars:
        cos, sin = np.cos(np.deg2rad(tilt)), np.sin(np.deg2rad(tilt))
        corners = 0.5 * np.array(
            [(-width, -height), (width, -height), (width, height), (-width, height)]
        )
        corners = corners @ np.array([[cos, sin], [-sin, cos]]) + (x, y)
        level = 0.5 * grey + 0.5 * middle
        canvas.fill(view.plane(corners * view.size - 0.5), (level, level, level), 0)


def paint_face(
    canvas: Canvas,
    identity: Identity,
    scene: Scene,
    geometry: Geometry,
    strength: Mapping[int, float],
) -> None:
    """Paint the whole person.

    Args:
        canvas: `Canvas`.
        identity: `Identity`.
        scene: `Scene`.
        geometry: `fer_data.synthetic.face_geometry.Geometry`.
        strength: Dictionary of the strengths of all action units.
    """
    view, controls, parts = geometry.view, geometry.controls, geometry.parts
    outline, sections = geometry.outline, geometry.sections
    paint_bars(canvas, scene.bars)
    hair.paint_behind(canvas, identity, geometry)
    paint_neck(canvas, identity, view, sections[-1, 0], scene.clothes)
    paint_ears(canvas, identity, view, sections)
    canvas.fill(outline, identity.skin)
    paint_beard(canvas, identity, parts, geometry.jaw_line)
    paint_nose(canvas, identity, parts)
    paint_wrinkles(canvas, identity, parts, strength, controls)
    paint_moustache(canvas, identity, parts)
    paint_eyes(canvas, identity, parts, controls, scene.pose.gaze)
    paint_mouth(canvas, identity, parts, controls)
    paint_brows(canvas, identity, parts)
    hair.paint_front(canvas, identity, geometry)
    paint_glasses(canvas, identity, view, controls)
