"""The micro-expression data sets in their owners' formats: noise for faces, their dirt in the rows.

Every writer returns the folder, and names in its comments what each row is there for.
"""

import numpy as np
import openpyxl
from helpers.fake_datasets import examples, write_picture

from fer_data.faces import Face

WIDTH, HEIGHT = 56, 48


def landmarks_of(width, height):
    """Return 68 points of a frontal face as wide as a picture."""
    points = np.zeros((68, 2), np.float32)
    jaw = np.linspace(np.pi, 0, 17)
    points[:17] = np.stack([0.5 + 0.38 * np.cos(jaw), 0.5 + 0.42 * np.sin(jaw)], axis=1)
    points[17:22] = np.stack([np.linspace(0.22, 0.42, 5), np.full(5, 0.28)], axis=1)
    points[22:27] = np.stack([np.linspace(0.58, 0.78, 5), np.full(5, 0.28)], axis=1)
    points[27:36] = np.stack([np.full(9, 0.5), np.linspace(0.38, 0.58, 9)], axis=1)
    ring = np.linspace(0, 2 * np.pi, 6, endpoint=False)
    for start, x in ((36, 0.34), (42, 0.66)):
        points[start : start + 6] = np.stack(
            [x + 0.05 * np.cos(ring), 0.38 + 0.02 * np.sin(ring)], axis=1
        )
    ring = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    points[48:] = np.stack([0.5 + 0.14 * np.cos(ring), 0.72 + 0.05 * np.sin(ring)], axis=1)
    return points * np.float32((width, height))


class FakeDetector:
    """Finds one face, the whole picture, unless the picture is darker than `least`."""

    def __init__(self, least=0):
        self.least = least

    def detect(self, image):
        if image.mean() < self.least:
            return []
        height, width = image.shape[:2]
        return [Face((0, 0, width, height), 0.9)]


class FakePredictor:
    """Gives the landmarks of a face that fills its box."""

    def __call__(self, image, face):
        x, y, width, height = face.box
        return landmarks_of(width, height) + np.float32((x, y))


class CountingPredictor(FakePredictor):
    """Counts its calls in a file, across processes and failures, and stops at `fail_at`."""

    def __init__(self, path, fail_at=None):
        # Hidden from the data set's options, which must not depend on where tests run.
        self._state = [path, fail_at]

    def __call__(self, image, face):
        path, fail_at = self._state
        with open(path, "a") as file:
            file.write("x")
        if fail_at is not None and self.calls() > fail_at:
            raise KeyboardInterrupt
        return super().__call__(image, face)

    def calls(self):
        with open(self._state[0]) as file:
            return len(file.read())


FAKE = {"detector": FakeDetector(), "predictor": FakePredictor()}


def frame(seed, number, width=WIDTH, height=HEIGHT):
    """Return frame `number` of clip `seed`: smooth noise with a bright spot that wanders."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 200, (height // 8, width // 8, 3))
    picture = np.kron(coarse, np.ones((8, 8, 1), dtype=int))[:height, :width]
    x = 4 + number * 5 % 37
    picture[20:28, x : x + 8] = 250
    return picture.astype(np.uint8)


def write_frames(folder, numbers, name, seed=0, grey=False):
    """Write pictures; `name` is their format, such as `img{}.jpg`."""
    for number in numbers:
        pixels = frame(seed, number)
        write_picture(folder / name.format(number), pixels[:, :, 0] if grey else pixels)


def write_sheet(path, *sheets):
    """Write lists of rows as the sheets of an .xlsx file."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(f"sheet{number}")
        for row in rows:
            sheet.append(list(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


CASME2_HEADER = (
    *("Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None),
    *("Action Units", "Estimated Emotion"),
)


def write_casme2(root, cropped=False):
    """Write CASME II: 5 usable rows of 11."""
    rows = [
        ("01", "EP02_01f", None, 46, 49, 51, None, "12", "happiness"),
        # The apex is missing in 21 of the owners' rows; the subject is a number here.
        (1, "EP03_02", None, 131, "/", 135, None, "L4+4", "disgust"),
        # One of the owners' offsets lies before its apex.
        ("02", "EP01_11f", None, 46, 90, 51, None, "1+2", "surprise"),
        ("02", "EP03_02f", None, 9, 10, 12, None, "7", "others"),
        (3, "EP01_2", None, 98, 100, 101, None, "14", "repression"),
        # From here on rows that give no clip.
        ("03", "EP07_03", None, 51, 60, 46, None, "4", "disgust"),
        ("03", "EP07_04", None, "?", 60, 70, None, "4", "disgust"),
        ("03", "EP08_1", None, 1, 2, 4, None, "4", "boredom"),
        ("04", "EP12_01f", None, 1, 2, 4, None, "4", "fear"),
        ("04", "EP12_02f", None, 1, 2, 4, None, "4", "sadness"),
        ("01", "EP02_01f", None, 46, 49, 51, None, "12", "happiness"),
    ]
    write_sheet(root / "CASME2-coding-20190701.xlsx", [CASME2_HEADER, *rows])
    tops = [("CASME2_RAW_selected", "img{}.jpg")]
    if cropped:
        tops.append(("Cropped", "reg_img{}.jpg"))
    for top, name in tops:
        folder = root / top
        write_frames(folder / "sub01" / "EP02_01f", range(45, 53), name, seed=1)
        write_frames(folder / "sub01" / "EP03_02", range(131, 136), name, seed=2)
        write_frames(folder / "sub02" / "EP01_11f", range(46, 92), name, seed=3)
        # A frame between onset and offset is missing.
        write_frames(folder / "sub02" / "EP03_02f", (9, 10, 12), name, seed=4)
        write_frames(folder / "sub03" / "EP01_2", range(97, 103), name, seed=5)
        write_frames(folder / "sub03" / "EP08_1", range(1, 5), name, seed=6)
        # The offset's frame is missing; and one picture is torn.
        write_frames(folder / "sub04" / "EP12_01f", range(1, 4), name, seed=7)
        write_frames(folder / "sub04" / "EP12_02f", range(1, 5), name, seed=8)
        torn = folder / "sub04" / "EP12_02f" / name.format(3)
        torn.write_bytes(torn.read_bytes()[:300])
    return root


def write_cas_me2(root):
    """Write CAS(ME)^2: 4 usable micro-expressions of 7, and 2 macro-expressions."""
    micro, macro = "micro-expression", "macro-expression"
    rows = [
        (1, "anger1_1", 557, 560, 563, "4+7", "negative", micro, "anger"),
        (1, "happy1_1", 10, 12, 14, "12", "positive", micro, "happiness"),
        # The folder counts its frames from 1, padded.
        (2, "disgust1_1", 200, 203, 205, "10", "negative", micro, "disgust"),
        # 0 is missing: the clip ends with its folder, or with its apex.
        (2, "happy2_3", 30, 33, 0, "12", "others", micro, "happiness"),
        (2, "happy2_4", 60, 63, 66, "12", "positive", macro, "happiness"),
        (1, "disgust1_2", 70, 0, 75, "4", "negative", macro, "disgust"),
        (9, "anger1_2", 1, 2, 5, "4", "negative", micro, "anger"),
        (2, "happy2_4", 50, 40, 30, "4", "negative", micro, "anger"),
        (2, "anger1_8", 50, 51, 55, "4", "negative", "none", "anger"),
    ]
    people = [("s15", "s15", 1), ("s16", "s16", 2)]
    videos = [
        ("0101", "disgust1"),
        ("0401", "anger1"),
        (503, "happy1"),
        ("0505", "happy2"),
    ]
    write_sheet(root / "CAS(ME)^2code_final.xlsx", rows, people, videos)
    chosen = root / "selectedpic"
    write_frames(chosen / "s15" / "anger1_1", range(557, 564), "img{}.jpg", seed=11)
    write_frames(chosen / "s15" / "happy1_1", range(10, 15), "img{}.jpg.jpg", seed=12)
    write_frames(chosen / "s16" / "disgust1_1", range(1, 7), "img{:03d}.jpg", seed=13)
    write_frames(chosen / "s16" / "happy2_3", range(30, 36), "img{}.jpg", seed=14)
    write_frames(chosen / "s16" / "happy2_4", range(60, 67), "img{}.jpg", seed=15)
    write_frames(chosen / "s15" / "disgust1_2", range(70, 76), "img{}.jpg", seed=16)
    raw = root / "rawpic"
    write_frames(raw / "s15" / "15_0401girlcrashing", range(550, 566), "img{:03d}.jpg", seed=11)
    write_frames(raw / "s15" / "15_0503unnyfarting", range(8, 20), "img{:03d}.jpg", seed=12)
    write_frames(raw / "s16" / "16_0101disgustingteeth", range(198, 208), "img{:03d}.jpg", seed=13)
    write_frames(raw / "s16" / "16_0505funnyinnovations", range(28, 68), "img{:03d}.jpg", seed=14)
    return root


def write_cas_me3(root):
    """Write CAS(ME)^3: 5 usable rows of 11, three of them in one folder."""
    header = ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class", "emotion")
    rows = [
        ("spNO.1", "a", 175, 177, 180, "4", "I", "disgust"),
        ("spNO.1", "a", 182, 184, 187, "12", "II", "happy"),
        ("spNO.1", "a", 190, 190, 194, "1+2", "III", "Others"),
        ("spNO.2", "J", 5, 7, 9, "4", "I", "anger"),
        ("spNO.2", "c", 1, 3, 5, "4", "I", "others"),
        # Negative, absurd and no durations; unknown emotions; a folder that is not there.
        ("spNO.2", "c", 2647, 10, 6, "4", "I", "fear"),
        ("spNO.2", "c", 1, 3, 1845, "4", "I", "sad"),
        ("spNO.2", "c", 3, 3, 3, "4", "I", "sad"),
        ("spNO.2", "c", 1, 3, 4, "4", "I", "J"),
        ("spNO.2", "m", 1, 3, 4, "4", "I", "sad"),
        ("spNO.2", "c", 4, 5, 20, "4", "I", "surprise"),
    ]
    name = "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"
    write_sheet(root / "annotation" / name, [header, *rows])
    write_frames(root / "spNO.1" / "a" / "color", range(170, 200), "{}.jpg", seed=21)
    write_frames(root / "spNO.2" / "j" / "color", range(4, 12), "{}.jpg", seed=22)
    write_frames(root / "spNO.2" / "c" / "color", range(1, 8), "{}.jpg", seed=23)
    write_frames(root / "spNO.2" / "c" / "depth", range(1, 3), "{}.png", seed=24)
    return root


SAMM_HEADER = (
    *("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame", "Offset Frame"),
    *("Duration", "Micro", "Action Units", "Estimated Emotion", "Objective Classes", "Notes"),
)
LONG_HEADER = (
    *("Subject", "Filename", "Inducement Code", "Onset", "Apex", "Offset"),
    *("Duration", "Type", "Action Units", "Notes"),
)


def write_samm(root, long_header=True):
    """Write SAMM and SAMM Long Videos: 3 usable micro-movements of 5 and a macro-movement."""
    above = [("SAMM Micro-Movement Dataset",), (), ("Please cite",)] + [()] * 10
    sheet = [
        ("006", "006_1_2", 1, 5562, 5564, 5566, 5, "Micro - 1/2", "7+12", "Happiness", "II", None),
        (6, "006_1_6", 1, 5570, 5572, 5574, 5, "Micro", "4", "Anger", "I", None),
        ("007", "007_6_1", 6, 21, 23, 25, 5, "Micro", "4", "Other", "VII", None),
        ("007", "007_6_5", 6, 40, 41, 43, 4, "Micro", "4", "Contempt", "IV", None),
    ]
    write_sheet(root / "SAMM_Micro_FACS_Codes_v2.xlsx", [*above, SAMM_HEADER, *sheet])
    rows = [
        ("006", "006_1_2", 1, 5562, 5564, 5566, 5, "Micro - 1/2", "7+12", None),
        # The duration is not that of the frames.
        ("006", "006_1_6", 1, 5570, 5572, 5574, 9, "Micro - 1/2", "4", None),
        ("007", "007_6_9", 6, 10, -1, 13, 4, "Micro - 1/2", "4", "not in the SAMM sheet"),
        ("007", "007_6_2", 6, 1, 3, 6, 6, "Macro", "12", None),
        ("007", "007_6_1", 6, 21, 23, 20, 0, "Micro - 1/2", "4", None),
        ("007", "007_6_5", 6, 40, 41, 43, 4, "Micro - 1/2", "4", "no such frames"),
    ]
    top = [("SAMM Long Videos",)] + [(f"note {i}",) for i in range(8)]
    top.append(LONG_HEADER if long_header else ("the data begin below",))
    write_sheet(root / "SAMM_LongVideos_V3_Release.xlsx", [*top, *rows])
    long = root / "SAMM_longvideos"
    write_frames(long / "006_1", range(5560, 5580), "006_1_{:04d}.jpg", seed=31, grey=True)
    write_frames(long / "007_6", range(1, 31), "007_6_{:04d}.jpg", seed=32, grey=True)
    # SAMM's own clips, padded differently.
    write_frames(root / "006" / "006_1_2", range(5562, 5567), "006_{:05d}.jpg", seed=31, grey=True)
    write_frames(root / "006" / "006_1_6", range(5570, 5575), "006_{:05d}.jpg", seed=31, grey=True)
    write_frames(root / "007" / "007_6_1", range(21, 26), "007_{:04d}.jpg", seed=32, grey=True)
    return root


def write_smic(root, long=False):
    """Write SMIC-HS: 4 clips as folders, cropped ones too, or the long form: 2 usable rows of 4."""
    if long:
        header = (
            *("Subject", "Filename", "OnsetF", "OffsetF", "Total_S", "Emotion", "FirstF", "LastF"),
        )
        rows = [
            (1, "s1_ne_01", 34509, 34513, 5, "negative", 34507, 34516),
            (1, "s1_po_01", 1003, 1006, 4, "Positive", 1001, 1008),
            (2, "s2_sur_01", 1003, 1030, 28, "surprise", 1001, 1008),
            (2, "s2_sur_02", 1003, 1005, 3, "surprise", None, 1008),
        ]
        top = root / "HS_long" / "SMIC-HS-E"
        write_sheet(root / "HS_long" / "SMIC-HS-E_annotation.xlsx", [header, *rows])
        # Counted from the clip's own first frame, and with the camera's numbers.
        write_frames(top / "s01" / "s1_ne_01", range(1, 11), "image{:06d}.jpg", seed=41)
        write_frames(top / "s01" / "s1_po_01", range(1001, 1009), "image{:06d}.jpg", seed=42)
        write_frames(top / "s02" / "s2_sur_01", range(1001, 1009), "image{:06d}.jpg", seed=43)
        write_frames(top / "s02" / "s2_sur_02", range(1001, 1009), "image{:06d}.jpg", seed=44)
        return root
    clips = [
        ("s1", "negative", "s1_ne_01", range(100, 106)),
        ("s1", "positive", "s1_po_01", range(1, 6)),
        ("s2", "surprise", "s2_sur_01", range(8, 14)),
        ("s20", "negative", "s20_ne_02", range(997, 1003)),
    ]
    kinds = [("HS", "image{}.jpg"), ("SMIC_all_cropped/HS", "reg_{:05d}.bmp")]
    for top, name in kinds:
        for seed, (subject, emotion, clip, numbers) in enumerate(clips, 41):
            write_frames(root / top / subject / "micro" / emotion / clip, numbers, name, seed=seed)
    write_frames(root / "HS" / "s1" / "non_micro" / "s1_non_01", (1, 2), "image{}.jpg", seed=50)
    write_frames(
        root / "VIS" / "s1" / "micro" / "negative" / "s1_ne_01", (1, 2), "image{}.jpg", seed=51
    )
    return root


def clips(builder):
    """Return the examples of a builder of clips by their id."""
    return {example["id"].decode(): example for example in examples(builder, "clips")}
