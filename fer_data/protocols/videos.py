"""The video from which a clip was cut, read from the name that its owners gave it."""

import re
from collections.abc import Callable

import numpy as np

from fer_data import arguments
from fer_data.protocols.subjects import Clips

# How a clip's id, without its data set, names the video; None where it does not.
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


@arguments.checked(clips=arguments.instance(Clips, "`Clips`"))
def videos_of(clips: Clips) -> np.ndarray | None:
    """Return the video of every clip, or None unless all of them are known.

    Clips of one video show one person in one light and one place, mostly with one emotion, since
    the video was chosen to evoke it. A random division of such clips tests a network on the videos
    that it was trained on.

    Args:
        clips: `Clips`, with the ids of `fer_data.datasets`. SMIC's names do not contain the video.

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
        # The name of the person's folder alone, or less, does not name a video.
        if not video or "/" not in video or video.endswith("/"):
            return None
        found.append(f"{dataset}/{video}")
    return np.array(found)


def _before(name, pattern):
    match = re.fullmatch(pattern, name)
    return match and match[1]
