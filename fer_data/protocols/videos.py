"""Which video a clip was cut from, read from the names that its owners gave it."""

import re
from collections.abc import Callable

import numpy as np

from fer_data.protocols.subjects import Clips

# How a clip's id, without data set, names the video; None where the owners' names do not say.
_NAMES: dict[str, Callable[[str], str | None]] = {
    # sub01/EP02_01f: the first clip while the person watched video EP02.
    "casme2": lambda name: name.rpartition("_")[0],
    # s15/anger1_1: likewise.
    "cas_me2": lambda name: name.rpartition("_")[0],
    # 006/006_1_2: the second movement in 006_1.
    "samm": lambda name: name.rpartition("_")[0],
    # spNO.1/a/175-190: frames 175 to 190 of video a.
    "cas_me3": lambda name: name.rpartition("/")[0],
    # s003/v05_00042, of a set that was drawn with `videos`.
    "synthetic_micro_expressions": lambda name: _before(name, r"(.*/v\d+)_\d+"),
}


def videos_of(clips: Clips) -> np.ndarray | None:
    """Return the video of every clip, or None where it is not known of all of them.

    Clips of one video show one person in one light and one place, mostly with one emotion: the
    video was chosen to bring it out. Who divides such clips at random tests on what was trained.

    Args:
        clips: `Clips`, with the ids of `fer_data.datasets`. SMIC's names do not tell the video.

    Returns:
        Names of the videos, `(n,)`, or None.

    Example:

    >>> subjects = ["casme2/sub01"] * 3
    >>> ids = ["casme2/sub01/EP02_01f", "casme2/sub01/EP02_02f", "casme2/sub01/EP19_01f"]
    >>> videos_of(Clips(ids, subjects, [0, 0, 2])).tolist()
    ['casme2/sub01/EP02', 'casme2/sub01/EP02', 'casme2/sub01/EP19']
    >>> videos_of(Clips(["smic_hs/s1/s1_ne_01"], ["smic_hs/s1"], [0]))
    """
    found = []
    for clip in clips.ids.tolist():
        dataset, _, name = str(clip).partition("/")
        video = _NAMES[dataset](name) if dataset in _NAMES else None
        # A name that is only the person's folder, or less, tells no video.
        if not video or "/" not in video or video.endswith("/"):
            return None
        found.append(f"{dataset}/{video}")
    return np.array(found)


def _before(name, pattern):
    match = re.fullmatch(pattern, name)
    return match and match[1]
