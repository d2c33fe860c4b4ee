"""CAS(ME)^3, part A: 30 frames a second, a hundred people, seven emotions."""

from fer_data.datasets.clip_builder import ClipBuilder
from fer_data.datasets.clip_rows import clip_between, emotion_label, interval, only
from fer_data.datasets.frame_folders import FrameFolders
from fer_data.datasets.spreadsheet import no_header, with_header

COLUMNS = {
    "subject": ("Subject",),
    "filename": ("Filename", "File name"),
    "onset": ("Onset", "OnsetFrame"),
    "apex": ("Apex", "ApexFrame"),
    "offset": ("Offset", "OffsetFrame"),
    "action_units": ("AU", "AUs", "Action Units"),
    "emotion": ("emotion", "Estimated Emotion"),
}


class CasMe3(ClipBuilder, skip_registration=True):
    """CAS(ME)^3 part A: 860 spontaneous micro-expressions in long videos at 30 frames a second.

    Reads `cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx` (Subject, Filename, Onset, Apex, Offset, AU,
    Objective class, emotion) and the colour pictures `spNO.1/a/color/175.jpg`. Clips share the
    folders of the long videos, so an id ends in its frames: `cas_me3/spNO.1/a/175-190`.

    Clips longer than 100 frames, three seconds, are dropped as `absurd_duration`: the median of the
    owners' clips is 22. The case of the videos' letters does not count ("J" is the folder `j`).

    Args:
        path: Folder or zip archive.
        **kwargs: See `fer_data.datasets.clip_builder.ClipBuilder`, and there the features.

    Reference:
        Li et al., "CAS(ME)^3: A Third Generation Facial Spontaneous Micro-Expression Database
        with Depth Information and High Ecological Validity", IEEE TPAMI, 2022.
    """

    name = "cas_me3"
    fps = 30.0
    longest = 100
    pictures_of = ("color",)
    sheet_pattern = r"cas\(me\)\^?3.*part_A.*ME_label.*\.xlsx"
    expected = "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"

    def _find(self):
        self._folders = FrameFolders(self._source, lambda parts: parts[-1] == "color")
        if not len(self._folders):
            raise ValueError(
                "`path` must hold the pictures of CAS(ME)^3, spNO.1/a/color/175.jpg. Received: "
                f"{self._source.root}, which has the folders {self._source.folders()[:8]}"
            )

    def _rows(self, report):
        cells, where = self._sheet()
        rows = with_header(cells, where, COLUMNS)
        if rows is None:
            raise no_header(where, COLUMNS)
        return rows

    def _clip(self, row):
        subject, video = row.text("subject"), row.text("filename")
        emotion = row.text("emotion")
        label = emotion_label(emotion)
        onset, apex, offset, notes = interval(row, self._most_frames())
        folder = only(self._folders.find(subject, video, "color"), f"{subject}/{video}/color")
        clip, gaps = clip_between(
            row,
            self._folders.frames(folder),
            folder,
            (onset, apex, offset),
            id=f"cas_me3/{subject}/{video.lower()}/{onset}-{offset}",
            subject=f"cas_me3/{subject}",
            emotion=emotion,
            label=label,
            action_units=row.text("action_units"),
        )
        return clip, notes + gaps
