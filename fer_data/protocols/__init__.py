"""Protocols of training and testing: splits, subjects, copies, and weights of classes.

- `fer_data.protocols.dividing`: stratified, group-disjoint, leave-one-group-out.
- `fer_data.protocols.subjects`: clips of people, divided by person, with a guard against leaks.
- `fer_data.protocols.videos`: which video a clip was cut from.
- `fer_data.protocols.megc2019`: the composite data set of MEGC 2019.
- `fer_data.protocols.duplicates`: pictures that are in two parts at once.
- `fer_data.protocols.weighting`: weights of classes against their frequency.
"""

from fer_data.protocols.dividing import (
    group_disjoint,
    group_folds,
    leave_one_group_out,
    stratified,
)
from fer_data.protocols.duplicates import (
    EXACT,
    NEAR,
    Copy,
    DuplicateError,
    DuplicateReport,
    difference_hash,
    duplicates_across,
    guard,
)
from fer_data.protocols.megc2019 import MEGC_2019, Composite, megc_2019
from fer_data.protocols.subjects import (
    PROPORTIONS,
    Clips,
    Division,
    LeakError,
    Leaks,
    find_leaks,
    guard_subjects,
    leave_one_subject_out,
    random_clips,
    subject_disjoint,
)
from fer_data.protocols.videos import videos_of
from fer_data.protocols.weighting import class_weights

__all__ = [
    "EXACT",
    "MEGC_2019",
    "NEAR",
    "PROPORTIONS",
    "Clips",
    "Composite",
    "Copy",
    "Division",
    "DuplicateError",
    "DuplicateReport",
    "LeakError",
    "Leaks",
    "class_weights",
    "difference_hash",
    "duplicates_across",
    "find_leaks",
    "group_disjoint",
    "group_folds",
    "guard",
    "guard_subjects",
    "leave_one_group_out",
    "leave_one_subject_out",
    "megc_2019",
    "random_clips",
    "stratified",
    "subject_disjoint",
    "videos_of",
]
