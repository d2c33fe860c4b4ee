"""The search for pictures that are in two parts of a data set at once."""

import collections
import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fer_data import arguments, picture
from fer_data.checks import as_array

EXACT, NEAR = "exact", "near"


@dataclasses.dataclass(frozen=True)
class Copy:
    """Two pictures, in two parts, that are the same or nearly so.

    Attributes:
        kind: `"exact"` (pixel by pixel) or `"near"`.
        parts: Names of the two parts.
        ids: Names of the two pictures.
        distance: Differing bits of the two difference hashes, 0 to 64.
        correlation: Normalised correlation of the pixels, -1 to 1.
    """

    kind: str
    parts: tuple[str, str]
    ids: tuple
    distance: int
    correlation: float


@dataclasses.dataclass(frozen=True)
class DuplicateReport:
    """The copies that `duplicates_across` found; false when there are none.

    Attributes:
        pairs: Tuple of `Copy`.
        near: Whether near copies were looked for.
    """

    pairs: tuple[Copy, ...]
    near: bool = True

    def __bool__(self) -> bool:
        return bool(self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def counts(self) -> dict[tuple[str, str, str], int]:
        """Return `{(kind, part, part): pairs}`."""
        return dict(collections.Counter((pair.kind, *pair.parts) for pair in self.pairs))

    def ids(self, part: str, kinds: Collection[str] = (EXACT, NEAR)) -> list:
        """Return the sorted names of the pictures of one part that are in another part too."""
        return sorted(
            {
                name
                for pair in self.pairs
                if pair.kind in kinds
                for where, name in zip(pair.parts, pair.ids, strict=True)
                if where == part
            }
        )

    def summary(self) -> str:
        """Return one line for every kind and pair of parts."""
        lines = []
        for (kind, first, second), pairs in self.counts().items():
            these = DuplicateReport(
                tuple(p for p in self.pairs if (p.kind, *p.parts) == (kind, first, second))
            )
            lines.append(
                f"{first} / {second}: {pairs} {kind} pairs, {len(these.ids(first))} pictures of "
                f"{first}, {len(these.ids(second))} of {second}"
            )
        return "\n".join(lines) or "no copies across the parts"


class DuplicateError(ValueError):
    """Pictures are in two parts of a split. `report` holds the `DuplicateReport`."""

    def __init__(self, message: str, report: DuplicateReport) -> None:
        super().__init__(message)
        self.report = report


@arguments.checked(images=arguments.sequence())
def difference_hash(images: Iterable[np.ndarray]) -> np.ndarray:
    """Return the 64-bit difference hash of each picture: whether it gets brighter rightwards.

    Args:
        images: uint8 pictures `(height, width)` or `(height, width, 1 or 3)`, as an array or a
            list (sizes may differ).

    Returns:
        uint64 array `(n,)`; the more bits differ, the less alike two pictures are.

    Reference:
        N. Krawetz, "Kind of Like That", 2013.
    """
    import cv2

    images = list(images)
    for image in images:
        _check_picture(image, "`images`")
    small = [cv2.resize(_grey(image), (9, 8), interpolation=cv2.INTER_AREA) for image in images]
    rows = np.array(small, np.uint8).reshape(-1, 8, 9)
    bits = (rows[:, :, 1:] > rows[:, :, :-1]).reshape(-1, 64)
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]


@arguments.checked(
    splits=arguments.mapping(),
    near=arguments.flag,
    distance=arguments.integer(0, 64),
    correlation=arguments.number(-1, 1),
)
def duplicates_across(
    splits: Mapping[str, np.ndarray | Sequence[Any]],
    near: bool = True,
    distance: int = 8,
    correlation: float = 0.95,
) -> DuplicateReport:
    """Find pictures that are in two parts of a split.

    Exact copies agree in every pixel. Near copies have difference hashes that differ in at most
    `distance` bits, which finds candidates fast, and pixels (at 32x32) that correlate by at least
    `correlation`, which rejects different faces in the same pose. Copies that were mirrored, turned
    or cropped in another way are not found.

    Args:
        splits: `{"train": images}` or `{"train": (images, ids)}`: uint8 pictures, an array
            `(n, height, width)` or `(n, height, width, 1 or 3)`, or a list with differing sizes.
            Without ids, positions name the pictures.
        near: Whether to look for near copies as well.
        distance: Differing bits allowed, 0 to 64.
        correlation: Least correlation of near copies, in `[-1, 1]`.

    Returns:
        A `DuplicateReport`.

    Raises:
        ValueError: For fewer than two parts, pictures that are not uint8, or thresholds out of
            range.

    Example:

    >>> faces = np.random.default_rng(0).integers(0, 256, (20, 48, 48), "uint8")
    >>> report = duplicates_across({"train": faces[:12], "test": faces[10:]})
    >>> print(report.summary())
    train / test: 2 exact pairs, 2 pictures of train, 2 of test
    """
    if len(splits) < 2:
        raise ValueError(f"`splits` must hold two parts or more. Received: {list(splits)}")
    parts = [_Part(name, value) for name, value in splits.items()]
    pairs = []
    for place, first in enumerate(parts):
        for second in parts[place + 1 :]:
            pairs += _exact(first, second)
            if near:
                pairs += _near(first, second, distance, correlation)
    return DuplicateReport(tuple(pairs), near)


@arguments.checked(
    refuse=arguments.either(
        arguments.text, arguments.sequence(arguments.text), rule="'exact', 'near' or a list of both"
    )
)
def guard(
    splits: Mapping[str, np.ndarray | Sequence[Any]] | DuplicateReport,
    refuse: str | Iterable[str] = (EXACT, NEAR),
    **options: Any,
) -> DuplicateReport:
    """Raise an error if pictures are in two parts of a split.

    Args:
        splits: As in `duplicates_across`, or a `DuplicateReport` made before.
        refuse: Kinds that are refused, `"exact"`, `"near"` or both.
        **options: For `duplicates_across`.

    Returns:
        The `DuplicateReport`, with exact copies that are not refused. Near copies are looked for if
        they are refused, or with `near=True`.

    Raises:
        DuplicateError: With the counts and the first names; all are in its `report`.
        ValueError: If near copies are refused and not looked for, or there are options for a
            report made before.

    Example:

    >>> faces = np.random.default_rng(0).integers(0, 256, (20, 48, 48), "uint8")
    >>> len(guard({"train": faces[:10], "test": faces[10:]}))
    0
    """
    refuse = (refuse,) if isinstance(refuse, str) else tuple(refuse)
    if not refuse or not set(refuse) <= {EXACT, NEAR}:
        raise ValueError(f'`refuse` must hold "exact", "near" or both. Received: refuse={refuse}')
    looked_for = options.get("near", True)
    if isinstance(splits, DuplicateReport):
        if options:
            raise ValueError(
                "Options must be given to `duplicates_across`, which has made this report. "
                f"Received: {', '.join(options)}"
            )
        report, looked_for = splits, splits.near
    if NEAR in refuse and not looked_for:
        raise ValueError(
            '`refuse` must be "exact" where near copies are not looked for. '
            f"Received: refuse={refuse}, near=False"
        )
    if not isinstance(splits, DuplicateReport):
        report = duplicates_across(splits, **{"near": NEAR in refuse, **options})
    refused = DuplicateReport(
        tuple(pair for pair in report.pairs if pair.kind in refuse), report.near
    )
    if refused:
        shown = "; ".join(
            f"{p.kind} {p.parts[0]}:{p.ids[0]} = {p.parts[1]}:{p.ids[1]}"
            for p in refused.pairs[:10]
        )
        more = f" and {len(refused) - 10} more" if len(refused) > 10 else ""
        raise DuplicateError(
            f"Pictures stand in two parts.\n{refused.summary()}\n{shown}{more}", refused
        )
    return report


class _Part:
    """One part of a split, and numbers that are computed once for all comparisons."""

    def __init__(self, name, value):
        images, ids = value if isinstance(value, tuple) else (value, None)
        self.name = name
        self.images = images
        self.ids = list(range(len(images))) if ids is None else list(ids)
        if len(self.ids) != len(images):
            raise ValueError(
                f"Part {name!r} must have as many ids as pictures. "
                f"Received: {len(images)} pictures, {len(self.ids)} ids"
            )
        for image in images:
            _check_picture(image, f"Part {name!r}")
        self.pixels = [picture.pixel_hash(_without_axis(image)) for image in images]
        self._hashes = self._thumbnails = None

    @property
    def hashes(self):
        if self._hashes is None:
            self._hashes = difference_hash(self.images)
        return self._hashes

    @property
    def thumbnails(self):
        if self._thumbnails is None:
            self._thumbnails = _normalised(self.images)
        return self._thumbnails


def _check_picture(image, owner):
    image = as_array("images", image)
    valid = image.ndim == 2 or (image.ndim == 3 and image.shape[-1] in (1, 3))
    if not valid or image.dtype != np.uint8 or not image.size:
        raise ValueError(
            f"{owner} must hold uint8 pictures (height, width[, 1 or 3]). "
            f"Received: dtype={image.dtype}, shape={image.shape}"
        )


def _without_axis(image):
    """Return a picture, grey without an axis of channels: it is the same with one and without."""
    image = np.asarray(image)
    return image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image


def _grey(image):
    import cv2

    image = _without_axis(image)
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image


def _normalised(images):
    """Return 32x32 thumbnails as unit vectors of mean 0: dot products are correlations."""
    import cv2

    small = [cv2.resize(_grey(image), (32, 32), interpolation=cv2.INTER_AREA) for image in images]
    vectors = np.array(small, np.float32).reshape(-1, 32 * 32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(norms, 1e-6)


def _exact(first, second):
    places = collections.defaultdict(list)
    for place, digest in enumerate(first.pixels):
        places[digest].append(place)
    return [
        Copy(EXACT, (first.name, second.name), (first.ids[i], second.ids[j]), 0, 1.0)
        for j, digest in enumerate(second.pixels)
        for i in places.get(digest, ())
    ]


def _near(first, second, distance, correlation, block=256):
    pairs = []
    for start in range(0, len(second.hashes), block):
        bits = np.bitwise_count(second.hashes[start : start + block, None] ^ first.hashes[None])
        found, i = np.nonzero(bits <= distance)
        j = found + start
        alike = np.einsum("nd,nd->n", first.thumbnails[i], second.thumbnails[j])
        for a, b, unlike, score in zip(i, j, bits[found, i], alike, strict=True):
            if score >= correlation and first.pixels[a] != second.pixels[b]:
                names = (first.name, second.name)
                ids = (first.ids[a], second.ids[b])
                pairs.append(Copy(NEAR, names, ids, int(unlike), float(score)))
    return pairs
