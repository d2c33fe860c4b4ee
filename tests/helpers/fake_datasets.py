"""Small data sets in the real formats, with noise for faces, and the dirt that real ones have."""

import csv
import io
import zipfile

import numpy as np
import tensorflow as tf
from PIL import Image

FER_HEADER = (
    *("image", "usage", "fer2013_label", "neutral", "happiness", "surprise", "sadness"),
    *("anger", "disgust", "fear", "contempt", "unknown", "NF"),
)
FER_USAGES = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
FER_NAMES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def noise(seed, size=48, channels=1):
    """Return uint8 noise (size, size) or (size, size, channels), the same for the same seed."""
    shape = (size, size) if channels == 1 else (size, size, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_picture(path, pixels):
    """Write an array as the format that the suffix names, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def encoded(pixels, kind="JPEG"):
    """Return an array as the bytes of a picture file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind)
    return buffer.getvalue()


def write_tree(root, splits, per_class=2, suffix=".jpg", channels=1, seed=0):
    """Write `root/<split>/<class>/<n>.jpg`; `splits` maps split folder to class folders."""
    count = seed * 100_000
    for split, classes in splits.items():
        for name in classes:
            for number in range(per_class):
                path = root / split / name / f"{split}{name}{number}{suffix}"
                write_picture(path, noise(count, channels=channels))
                count += 1
    return root


def soil(folder):
    """Add a truncated JPEG, an empty file, a text file and a damaged PNG to a class folder."""
    (folder / "truncated.jpg").write_bytes(encoded(noise(901))[:400])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("not a picture")
    damaged = bytearray(encoded(noise(902), "PNG"))
    damaged[200] ^= 0xFF
    (folder / "damaged.png").write_bytes(bytes(damaged))
    return {"corrupt": 2, "empty": 1, "not_a_picture": 1}


def fer_rows(per_class=2, splits=("train", "validation", "test")):
    """Return rows (label, pixels, usage) of a fake FER2013."""
    rows = []
    for split in splits:
        for label in range(7):
            for _ in range(per_class):
                rows.append((label, noise(len(rows)), FER_USAGES[split]))
    return rows


def write_fer_csv(root, rows):
    """Write `fer2013.csv` from (label, pixels or text, usage) rows."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / "fer2013.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("emotion", "pixels", "Usage"))
        for label, pixels, usage in rows:
            text = pixels if isinstance(pixels, str) else " ".join(map(str, pixels.ravel()))
            writer.writerow((label, text, usage))
    return root


def write_ferplus_csv(root, usages, votes):
    """Write `fer2013new.csv`, one row of ten votes for each usage."""
    with open(root / "fer2013new.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("Usage", "Image name", *FER_HEADER[3:]))
        for number, (usage, row) in enumerate(zip(usages, votes, strict=True)):
            writer.writerow((usage, f"fer{number:07d}.png", *row))


def write_fer_zip(path, rows):
    """Write the zip layout: train, valid and test class folders and labels.csv with votes."""
    folders = {"Training": "train", "PublicTest": "valid", "PrivateTest": "test"}
    lines = [",".join(FER_HEADER)]
    with zipfile.ZipFile(path, "w") as archive:
        for number, (label, pixels, usage) in enumerate(rows):
            image = f"fer{number:07d}.png"
            name = f"{folders[usage]}/{FER_NAMES[label]}/{image}"
            archive.writestr(name, encoded(pixels, "PNG"))
            lines.append(f"{image},{usage},{FER_NAMES[label]}," + ",".join("1" * 10))
        archive.writestr("labels.csv", "\n".join(lines) + "\n")
        archive.writestr("README.txt", "fake")
    return path


def write_raf_db(root, per_class=2, pictures="aligned"):
    """Write the owners' RAF-DB layout with `per_class` pictures of each label and split."""
    lines = []
    for split in ("train", "test"):
        number = 0
        for label in range(1, 8):
            for _ in range(per_class):
                number += 1
                stem = f"{split}_{number:05d}"
                suffix = "_aligned" if pictures == "aligned" else ""
                path = root / "Image" / pictures / f"{stem}{suffix}.jpg"
                write_picture(path, noise(len(lines), size=100, channels=3))
                lines.append(f"{stem}.jpg {label}")
    (root / "EmoLabel").mkdir(parents=True)
    (root / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines) + "\n")
    return root


def write_raf_db_photos(root, per_class=1, faceless=(), several=()):
    """Write RAF-DB's original photos, in which a drawn face stands somewhere, as a rule one.

    Args:
        root: The folder.
        per_class: Photos of each label and split.
        faceless: Stems of photos without a face.
        several: Stems of photos with a second, smaller face.
    """
    from fer_data.synthetic import generate

    root = write_raf_db(root, per_class, "original")
    photos = sorted((root / "Image" / "original").glob("*.jpg"), reverse=True)
    for number, face in enumerate(generate(len(photos), seed=3, size=160)):
        photo = np.full((220, 420, 3), 120, np.uint8)
        stem, left = photos[number].stem, 10 * (number % 8)
        if stem not in faceless:
            photo[40:200, left : left + 160] = face.image
        if stem in several:
            photo[60:160, 300:400] = Image.fromarray(face.image).resize((100, 100))
        write_picture(photos[number], photo)
    return root


def write_raf_db_kaggle(root, per_class=2):
    """Write the RAF-DB layout of the copy on Kaggle."""
    classes = [str(i) for i in range(1, 8)]
    write_tree(root / "DATASET", {"train": classes, "test": classes}, per_class, channels=3)
    for split in ("train", "test"):
        files = sorted((root / "DATASET" / split).glob("*/*.jpg"))
        rows = [f"{file.name},{file.parent.name}" for file in files]
        (root / f"{split}_labels.csv").write_text("\n".join(["image,label", *rows]) + "\n")
    return root


def examples(builder, split):
    """Return the examples of a split as a list of dictionaries of NumPy values.

    They are read without `as_dataset`, which TensorFlow traces for seconds.
    """
    features, files = builder.info.features, builder.info.splits[split].filepaths
    records = tf.data.TFRecordDataset([str(path) for path in files])
    found = [features.deserialize_example_np(record) for record in records.as_numpy_iterator()]
    # Pictures of a clip come as a list.
    return [
        {name: np.stack(v) if isinstance(v, list) else v for name, v in example.items()}
        for example in found
    ]
