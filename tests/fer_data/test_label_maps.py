"""The one map of labels: every code of the owners, and what stands for no emotion."""

import numpy as np
import pytest

from fer_data import label_maps
from fer_data.datasets import BUILDERS
from fer_data.labels import EMOTIONS, EMOTIONS_WITH_CONTEMPT

# By data set, what is left out of seven classes.
LEFT_OUT = {
    "affectnet": ("contempt", "none", "uncertain", "no face"),
    "ck_plus": ("contempt",),
    "ravdess": ("calm",),
}


def test_every_data_set_that_is_mapped_has_a_builder():
    assert set(label_maps.OWNERS_CLASSES) <= set(BUILDERS)


@pytest.mark.parametrize("dataset", label_maps.OWNERS_CLASSES)
def test_what_is_left_out(dataset):
    assert label_maps.unmapped(dataset) == LEFT_OUT.get(dataset, ())
    left = [name for name in LEFT_OUT.get(dataset, ()) if name != "contempt"]
    assert label_maps.unmapped(dataset, EMOTIONS_WITH_CONTEMPT) == tuple(left)


def test_labels_of_the_owners_codes():
    # Written out by hand from the owners' descriptions.
    expected = {
        "affectnet": (6, 3, 4, 5, 2, 1, 0),
        "ck_plus": (6, 0, None, 1, 2, 3, 4, 5),
        "jaffe": (0, 1, 2, 3, 6, 4, 5),
        "kdef": (2, 0, 1, 3, 6, 4, 5),
        "expw": (0, 1, 2, 3, 4, 5, 6),
        "ravdess": (6, None, 3, 4, 0, 2, 1, 5),
        "crema_d": (0, 1, 2, 3, 6, 4),
    }
    for dataset, labels in expected.items():
        codes = list(label_maps.OWNERS_CLASSES[dataset])[: len(labels)]
        names = [label_maps.owners_class(dataset, code) for code in codes]
        assert tuple(label_maps.label_of(name) for name in names) == labels, dataset
    assert label_maps.label_of("contempt", EMOTIONS_WITH_CONTEMPT) == 7
    assert label_maps.label_of("happy", (name for name in ("sad", "happy"))) == 1
    assert label_maps.label_of("happy", np.array(["sad", "happy"])) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: label_maps.owners_class("imagenet", "0"), "`dataset` must be one of"),
        (lambda: label_maps.owners_class("expw", "7"), "`code` must be one of"),
        (lambda: label_maps.unmapped("imagenet", EMOTIONS), "`dataset` must be one of"),
        (lambda: label_maps.label_of(3), "`name`"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
