"""RAVDESS: actors who speak and sing sentences with an expression."""

from fer_data.datasets.video_builder import VideoBuilder

# 01-01-06-01-02-01-12.mp4: modality, speech or song, emotion, intensity, statement, repetition,
# actor.
NAME = r"(0[12])-(0[12])-(\d\d)-(0[12])-(\d\d)-(\d\d)-(\d\d)\.mp4"
CHANNELS = {"01": "speech", "02": "song"}
INTENSITIES = {"01": "normal", "02": "strong"}


class Ravdess(VideoBuilder):
    """RAVDESS: 24 actors who speak and sing two sentences with eight expressions, on video.

    Reads the owners' layout, unpacked: `Actor_12/01-01-06-01-02-01-12.mp4`. Each take comes as a
    video with sound and as the same video without; one of the two is read, the other ignored.
    "Calm" stands for none of the shared classes, so its videos are left out. All frames are in
    `train`; fractions set whole actors apart. Features: see `VideoBuilder`; `group_sex` (actors
    with odd numbers are male), `group_channel`, `group_intensity`.

    Args:
        **kwargs: See `VideoBuilder`.

    Reference:
        Livingstone and Russo, "The Ryerson Audio-Visual Database of Emotional Speech and Song
        (RAVDESS)", PLoS ONE 13(5), 2018.
    """

    name = "ravdess"
    groups = ("sex", "channel", "intensity")
    expected = "RAVDESS: Actor_12/01-01-06-01-02-01-12.mp4 and so on, unpacked into a folder"

    def _find(self, **options):
        super()._find(**options)
        self._files = self._named(NAME)
        self._need(self._files)

    def _pictures(self, report):
        items, takes = [], {}
        for name, match in self._files.items():
            modality, *take = match.groups()
            takes.setdefault(tuple(take), []).append((modality, name))
        for (channel, code, intensity, _, _, actor), videos in sorted(takes.items()):
            # The video with sound comes first.
            name, *others = (name for _, name in sorted(videos))
            report.ignored += map(self._source.where, others)
            label = self._label(report, self._source.where(name), code)
            if label is not None:
                groups = {
                    "sex": "male" if int(actor) % 2 else "female",
                    "channel": CHANNELS[channel],
                    "intensity": INTENSITIES[intensity],
                }
                items += self._frames(name, label, subject=f"actor_{actor}", groups=groups)
        self._oddly_named(report, self._files, suffixes=(".mp4",))
        return items
