"""CASME II: 200 frames a second, 26 people, seven emotions."""

from fer_data.datasets.clip_builder import ClipBuilder
from fer_data.datasets.clip_rows import clip_between, emotion_label, interval, only
from fer_data.datasets.frame_folders import FrameFolders, has_part, lacks_part
from fer_data.datasets.spreadsheet import no_header, with_header

COLUMNS = {
    "subject": ("Subject",),
    "filename": ("Filename", "File name"),
    "onset": ("OnsetFrame", "Onset"),
    "apex": ("ApexFrame", "ApexF", "Apex"),
    "offset": ("OffsetFrame", "Offset"),
    "action_units": ("Action Units", "AU", "AUs"),
    "emotion": ("Estimated Emotion", "Emotion"),
}


class Casme2(ClipBuilder, skip_registration=True):
    """CASME II: spontaneous micro-expressions, 255 clips of 26 people at 200 frames a second.

    Reads `CASME2-coding-*.xlsx` (Subject, Filename, OnsetFrame, ApexFrame, OffsetFrame, Action
    Units, Estimated Emotion) and the frames that `pictures` chooses: `"raw"`,
    `CASME2_RAW_selected/sub01/EP02_01f/img46.jpg`, or `"cropped"`,
    `Cropped/sub01/EP02_01f/reg_img46.jpg`. The top folders may have other names; those with "crop"
    in their path are the cropped ones.

    The owners' sheet has no apex ("/") in 21 rows: `apex` is -1 there. Clips longer than 200
    frames, a second, are dropped as `absurd_duration`; the owners' longest clip has 141.

    Args:
        path: Folder or zip archive.
        **kwargs: See `fer_data.datasets.clip_builder.ClipBuilder`, and there the features.

    Reference:
        Yan et al., "CASME II: An Improved Spontaneous Micro-Expression Database and the Baseline
        Evaluation", PLOS ONE 9(1), 2014.
    """

    name = "casme2"
    fps = 200.0
    longest = 200
    pictures_of = ("raw", "cropped")
    sheet_pattern = r"CASME2[-_ ]?coding.*\.xlsx"
    expected = "CASME2-coding-*.xlsx"

    def _find(self):
        accept = has_part("crop") if self._pictures == "cropped" else lacks_part("crop")
        self._folders = FrameFolders(self._source, accept)
        if not len(self._folders):
            raise ValueError(
                f'`path` must hold the pictures of CASME II for pictures="{self._pictures}", '
                "CASME2_RAW_selected/sub01/EP02_01f/img46.jpg or "
                "Cropped/sub01/EP02_01f/reg_img46.jpg. Received: "
                f"{self._source.root}, which has the folders {self._source.folders()[:8]}"
            )

    def _rows(self, report):
        cells, where = self._sheet()
        rows = with_header(cells, where, COLUMNS)
        if rows is None:
            raise no_header(where, COLUMNS)
        return rows

    def _clip(self, row):
        number = row.text("subject").casefold().removeprefix("sub")
        subject = f"sub{number.zfill(2)}"
        name = row.text("filename")
        emotion = row.text("emotion")
        label = emotion_label(emotion)
        onset, apex, offset, notes = interval(row, self._most_frames())
        folder = only(self._folders.find(subject, name), f"{subject}/{name}", ("selected",))
        clip, gaps = clip_between(
            row,
            self._folders.frames(folder),
            folder,
            (onset, apex, offset),
            id=f"casme2/{subject}/{name}",
            subject=f"casme2/{subject}",
            emotion=emotion,
            label=label,
            action_units=row.text("action_units"),
        )
        return clip, notes + gaps
