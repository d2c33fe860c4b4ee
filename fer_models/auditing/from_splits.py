"""The faces of an audit, drawn from the splits of a data set, with no copy where it must not be."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_data import arguments
from fer_data.checks import check_mapping
from fer_models.evaluation.group_scores import group_names
from fer_models.privacy.members import divide_members
from fer_models.privacy.signals import content_hashes

if TYPE_CHECKING:
    from fer_data.pipelines.labelled_faces import LabelledFaces

Sets = dict[str, Any]
# Where non-members may come from, the best first.
OUTSIDE = ("test", "validation")


@arguments.checked(
    faces=arguments.with_method("features", "`LabelledFaces`, as `load_faces` returns them"),
    class_names=arguments.sequence(arguments.scalar),
)
def audit_sets(
    faces: "LabelledFaces",
    *,
    size: tuple[int, int],
    channels: int,
    class_names: Sequence[str] | None = None,
    members: int = 2000,
    non_members: int = 2000,
    population: int = 1000,
    test: int | None = None,
    seed: int = 0,
    groups: Mapping[str, np.ndarray] | None = None,
) -> tuple[Sets, str]:
    """Draw members, non-members, population and test faces for `fer_models.audit`.

    Members come from the training faces, non-members and population from the test and validation
    faces, test faces from the test split, or from validation if there is no test split. Faces
    outside the training set that are pixel-identical to a training face are left out, and so are
    copies of each other.

    Args:
        faces: The data that the model was trained on, divided as at the training.
        size: Height and width of the faces, as the model takes them.
        channels: 1 or 3.
        class_names: Names of the model's outputs; None for those of the data.
        members: Number of members, at most.
        non_members: Number of non-members, at most.
        population: Number of faces of the population, at most; 0 for none.
        test: Number of test faces, at most; None for all.
        seed: Seed of everything drawn.
        groups: Group of each face, as for `audit`, by the name of the split; needed for the split
            that the test faces come from.

    Returns:
        The sets by name, and with `groups` the groups of the test faces, as `audit` takes them,
        and a sentence on how they came about.

    Raises:
        ValueError: If there is no split besides the training split, or too many faces of the others
            are copies.

    Example:

    ```python
    sets, how = audit_sets(load_faces("folder", "my_faces"), size=(48, 48), channels=1)
    audit(model, **sets, about={"Data": how})
    ```
    """
    # Here: to audit arrays takes neither OpenCV nor tensorflow-datasets.
    from fer_data.pipelines.split_arrays import (
        check_split,
        class_order,
        draw_places,
        split_arrays,
        split_batches,
    )

    check_split(faces, "train")
    outside = [name for name in OUTSIDE if name in faces.counts]
    if not outside:
        raise ValueError(
            "An audit needs faces that the model was not trained on: a test or a validation split. "
            f"Received: the splits {sorted(faces.counts)}"
        )
    if groups is not None:
        check_mapping("groups", groups)
        if outside[0] not in groups:
            raise ValueError(
                f"`groups` must have those of the split {outside[0]!r}, which the test faces are "
                f"from. Received: groups of {sorted(groups)}"
            )
    shape: dict[str, Any] = {"size": size, "channels": channels}
    pool, where = _pool(faces, outside, shape)
    trained = np.concatenate(
        [content_hashes(images) for images, _ in split_batches(faces, "train", **shape)]
    )
    hashes = content_hashes(pool[0])
    division = divide_members(
        trained, hashes, members=members, non_members=non_members, population=population, seed=seed
    )
    tested = division.free[where[division.free] == 0]
    if not len(tested):
        raise ValueError(
            f"The {outside[0]} split must have faces that do not stand in the training set. "
            f"Received: {int((where == 0).sum())} faces, all of them copies"
        )
    tested = tested[draw_places(len(tested), test, seed)]
    order = class_order(faces.class_names, class_names or faces.class_names)
    inside = split_arrays(faces, "train", **shape, places=division.members)
    sets = {"members": (inside.images, order[inside.labels])}
    for name, places in (
        ("non_members", division.non_members),
        ("test", tested),
        ("population", division.population),
    ):
        if len(places):
            sets[name] = (pool[0][places], order[pool[1][places]])
    if groups is not None:
        # The faces of the first split outside are the first of the pool.
        sets["groups"] = group_names(groups[outside[0]], faces.counts[outside[0]])[tested]
    copies = division.copies_of_training, division.copies_of_others
    how = (
        f"members from the {faces.counts['train']:,} training faces; non-members and population "
        f"from the {' and '.join(outside)} faces, of which {copies[0]:,} that are copies of "
        f"training faces and {copies[1]:,} copies of each other are left out; test faces from the "
        f"{outside[0]} split"
    )
    if outside[0] == "validation":
        how += ", on which a best epoch may have been chosen"
    return sets, how


def _pool(faces, outside, shape):
    """Return images and labels of all faces outside, and the number of the split of each."""
    from fer_data.pipelines.split_arrays import split_arrays

    parts = [split_arrays(faces, name, **shape) for name in outside]
    images = np.concatenate([part.images for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    return (images, labels), np.repeat(np.arange(len(parts)), [len(part) for part in parts])
