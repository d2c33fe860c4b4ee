"""Published figures of Triple Path HA3DNet, Irawan (2025): accuracy and F1, by training.

Its splits are random, by clip. Table 2 has experiments 10 to 14, what preprocessing, augmentation,
class balancing and hybrid attention add; experiment 14, with everything, is the best of the twelve
scenarios of Table 1, and which one that is differs between data sets.
"""

# The data sets as the dissertation names them, in its order.
TITLES = {
    "cas_me2": "CAS(ME)^2",
    "smic_hs": "SMIC-HS",
    "samm_long_videos": "SAMM Long Videos",
    "casme2": "CASME II",
    "cas_me3": "CAS(ME)^3",
}
SPLITS = ("80-10-10", "70-15-15")
# By the splits, twelve scenarios.
BATCH_SIZES = (32, 64, 128)
EPOCHS = (128, 256)
EXPERIMENTS = (10, 11, 12, 13, 14)
# With everything: preprocessing, augmentation, class balancing, hybrid attention.
WHOLE = 14

# Batch and epochs of experiment 14, by split.
_BEST = {
    "cas_me2": ((64, 256), (64, 256)),
    "smic_hs": ((64, 128), (64, 128)),
    "samm_long_videos": ((64, 256), (64, 128)),
    "casme2": ((64, 128), (64, 128)),
    "cas_me3": ((64, 256), (64, 256)),
}
# Accuracy by split, then F1 by split, of experiments 10 to 14.
_FIGURES = {
    "cas_me2": (
        (0.9095, 0.8998, 0.9037, 0.9004),
        (0.9139, 0.9044, 0.9153, 0.9048),
        (0.9273, 0.9180, 0.9217, 0.9172),
        (0.8827, 0.8768, 0.8815, 0.8755),
        (0.9400, 0.9396, 0.9400, 0.9396),
    ),
    "smic_hs": (
        (0.9348, 0.9289, 0.9342, 0.9273),
        (0.9432, 0.9369, 0.9426, 0.9369),
        (0.9396, 0.9335, 0.9384, 0.9317),
        (0.9094, 0.9019, 0.9078, 0.9004),
        (0.9585, 0.9535, 0.9585, 0.9535),
    ),
    "samm_long_videos": (
        (0.9255, 0.9172, 0.9273, 0.9174),
        (0.9342, 0.9256, 0.9337, 0.9249),
        (0.9307, 0.9218, 0.9286, 0.9215),
        (0.8907, 0.8794, 0.8881, 0.8796),
        (0.9500, 0.9428, 0.9502, 0.9437),
    ),
    "casme2": (
        (0.9661, 0.9614, 0.9621, 0.9570),
        (0.9728, 0.9616, 0.9731, 0.9607),
        (0.9694, 0.9644, 0.9702, 0.9649),
        (0.9416, 0.9356, 0.9370, 0.9326),
        (0.9887, 0.9854, 0.9887, 0.9853),
    ),
    "cas_me3": (
        (0.9606, 0.9565, 0.9607, 0.9566),
        (0.9672, 0.9636, 0.9672, 0.9630),
        (0.9619, 0.9587, 0.9616, 0.9588),
        (0.9350, 0.9307, 0.9336, 0.9301),
        (0.9821, 0.9805, 0.9821, 0.9804),
    ),
}


def figures(dataset: str, split: str, experiment: int = WHOLE) -> dict[str, float]:
    """Return the published accuracy and F1 of an experiment, in shares of one.

    Args:
        dataset: A name of `TITLES`.
        split: A name of `SPLITS`.
        experiment: A number of `EXPERIMENTS`.

    Returns:
        `accuracy` and `f1`; empty where nothing is published.

    Example:

    >>> figures("casme2", "80-10-10")
    {'accuracy': 0.9887, 'f1': 0.9887}
    >>> figures("synthetic", "80-10-10")
    {}
    """
    if dataset not in TITLES or split not in SPLITS or experiment not in EXPERIMENTS:
        return {}
    row, place = _FIGURES[dataset][EXPERIMENTS.index(experiment)], SPLITS.index(split)
    return {"accuracy": row[place], "f1": row[place + len(SPLITS)]}


def best_scenario(dataset: str, split: str) -> tuple[int, int]:
    """Return batch size and epochs of the best of the twelve scenarios.

    Args:
        dataset: A name of `TITLES`.
        split: A name of `SPLITS`.

    Example:

    >>> best_scenario("samm_long_videos", "70-15-15")
    (64, 128)
    """
    return _BEST[dataset][SPLITS.index(split)]
