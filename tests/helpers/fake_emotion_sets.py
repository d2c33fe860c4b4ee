"""Small trees in the layouts of AffectNet, CK+, JAFFE, KDEF, ExpW, SFEW, CAER-S, RAVDESS, CREMA-D.

The layouts are the owners'; the pictures are noise, or drawn faces where faces are to be found.
"""

import csv

import numpy as np
from helpers.fake_datasets import examples, noise, write_picture

from fer_data.video import VideoWriter

AFFECTNET_COLUMNS = (
    *("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height"),
    *("facial_landmarks", "expression", "valence", "arousal"),
)
VOTES = ("A", "D", "F", "H", "N", "S")


def picture(path, seed, size=24, channels=3):
    """Write noise as a picture file."""
    return write_picture(path, noise(seed, size, channels))


def table(path, rows):
    """Write rows as CSV and make the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def write_affectnet_tables(root, codes=(0, 1, 2, 6, 7, 8, 10)):
    """Write the older layout: tables, of which the second has no header, and pictures."""
    for name, header in (("training", True), ("validation", False)):
        rows = [AFFECTNET_COLUMNS] if header else []
        for place, code in enumerate(codes):
            file = f"{place + 1}/{name}{code}.png"
            picture(root / "Manually_Annotated_Images" / file, hash_of(file), 32)
            affect = (-2, -2) if code == 10 else (place / 10 - 0.5, 0.25)
            rows.append((file, 4, 6, 20, 10, "1.5;2.5;3", code, *affect))
        table(root / "Manually_Annotated_file_lists" / f"{name}.csv", rows)
    return root


def write_affectnet_folders(root, codes=(0, 1, 2, 6, 7)):
    """Write the newer layout: folders of pictures and of files with one number each."""
    for number, split in enumerate(("train_set", "val_set")):
        for place, code in enumerate(codes):
            picture(root / split / "images" / f"{place}.jpg", 100 * number + place)
            folder = root / split / "annotations"
            folder.mkdir(parents=True, exist_ok=True)
            # The owners wrote numbers as texts.
            np.save(folder / f"{place}_exp.npy", np.array(str(code)))
            np.save(folder / f"{place}_val.npy", np.array(str(place / 10 - 0.5)))
            np.save(folder / f"{place}_aro.npy", np.array(0.25))
            np.save(folder / f"{place}_lnd.npy", np.zeros(136))
    return root


def write_ck_plus(root, sequences=(("S005", "001", 3), ("S010", "002", 5), ("S011", "001", None))):
    """Write sequences of five frames: person, number, and the owners' emotion or None."""
    for person, number, emotion in sequences:
        place = f"{person}/{number}/{person}_{number}_"
        for frame in range(1, 6):
            name = f"{place}{frame:08d}.png"
            picture(root / "cohn-kanade-images" / name, hash_of(name))
        if emotion is not None:
            label = root / "Emotion" / f"{place}{5:08d}_emotion.txt"
            label.parent.mkdir(parents=True)
            label.write_text(f"   {emotion:.7e}\n")
    return root


def write_jaffe(root, people=("KA", "KL"), codes=("AN", "HA", "NE")):
    """Write grey TIFF files, one for each person and expression."""
    for person in people:
        for number, code in enumerate(codes):
            name = f"{person}.{code}1.{number + 39}.tiff"
            picture(root / "jaffe" / name, hash_of(name), channels=1)
    return root


def write_kdef(root, people=("F01", "M02"), codes=("AF", "HA"), angles=("S", "HL"), image=None):
    """Write both sessions of each person; `image(name)` returns the pixels, or noise."""
    for session in "AB":
        for person in people:
            for code in codes:
                for angle in angles:
                    name = f"{session}{person}{code}{angle}.JPG"
                    pixels = noise(hash_of(name), 24, 3) if image is None else image(name)
                    write_picture(root / "KDEF" / f"{session}{person}" / name, pixels)
    picture(root / "AKDEF" / "FAFS.JPG", 5)
    return root


def write_expw(root):
    """Write three photos with five faces, each in a box of its own."""
    rows = []
    for photo, codes in (("a.jpg", (0, 3)), ("b.jpg", (6, 3)), ("c.jpg", (1,))):
        picture(root / "image" / "origin" / photo, hash_of(photo), 40)
        for face, code in enumerate(codes):
            left = 20 * face
            rows.append(f"{photo} {face} 5 {left} {left + 18} 30 41.25 {code}")
    (root / "label").mkdir()
    (root / "label" / "label.lst").write_text("\n".join(rows) + "\n")
    return root


def write_classes(root, tops, classes):
    """Write two pictures into each class folder below each of the folders `tops`."""
    for top in tops:
        for name in classes:
            for number in range(2):
                file = f"{top}/{name}/film_{number}.png"
                picture(root / file, hash_of(file))
    return root


def write_video(path, frames=6, seed=0, image=None):
    """Write a lossless video of noise, or of one picture, and return its frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_suffix(".mkv")
    shown = [noise(seed + n, 32, 3) if image is None else image for n in range(frames)]
    with VideoWriter(written, 25) as writer:
        for frame in shown:
            writer.write(frame)
    # Its content says what it is, whatever its name ends in.
    written.rename(path)
    return shown


def write_ravdess(root, image=None):
    """Write takes of two actors, of which one has a copy without sound and one is calm."""
    names = (
        "01-01-03-01-01-01-01",
        "02-01-03-01-01-01-01",
        "01-02-05-02-01-01-02",
        "01-01-02-01-01-01-02",
    )
    for place, name in enumerate(names):
        write_video(root / f"Actor_{name[-2:]}" / f"{name}.mp4", seed=20 * place, image=image)
    return root


def write_crema_d(root):
    """Write clips of two actors, whose ages and so on are known, with the votes on three."""
    clips = ("1001_DFA_ANG_XX", "1001_IEO_HAP_LO", "1002_DFA_SAD_XX", "1002_IEO_NEU_HI")
    for place, clip in enumerate(clips):
        write_video(root / "VideoFlash" / f"{clip}.flv", seed=40 * place)
    people = (
        ("ActorID", "Age", "Sex", "Race", "Ethnicity"),
        (1001, 51, "Male", "Caucasian", "Not Hispanic"),
        (1002, 21, "Female", "Asian", "Hispanic"),
    )
    table(root / "VideoDemographics.csv", people)
    rows = [("", *VOTES, "fileName", "numResponses")]
    faces = ((7, 1, 0, 0, 1, 0), (4, 0, 0, 4, 1, 0), (0, 0, 1, 0, 0, 8))
    for shown in (100000, 200000, 300000):
        for place, (clip, votes) in enumerate(zip(clips[:3], faces, strict=True), 1):
            # What voters heard is not what they saw.
            own = votes if shown == 200000 else (0, 0, 9, 0, 0, 0)
            rows.append((shown + place, *own, clip, sum(own)))
    table(root / "processedResults" / "tabulatedVotes.csv", rows)
    return root


def hash_of(name):
    """Return a seed for a file's name."""
    return sum(place * ord(letter) for place, letter in enumerate(name, 1))


def rows_of(builder, split="train"):
    """Return the examples of a split by id."""
    return {row["id"].decode(): row for row in examples(builder, split)}


def counts_of(builder):
    """Return the number of examples of each split."""
    return {split: info.num_examples for split, info in builder.info.splits.items()}


def dropped(builder):
    """Return the numbers of what the report says was left out, by reason."""
    return {reason: len(entries) for reason, entries in builder.report().dropped.items()}
