"""Names of the sets of labelled faces that commands take."""

# As in `fer_data.pipelines.labelled_faces.FACES`, which imports NumPy and the data sets.
DATA = (
    "synthetic",
    "fer2013",
    "ferplus",
    "raf_db",
    "affectnet",
    "ck_plus",
    "jaffe",
    "kdef",
    "expw",
    "sfew",
    "caer_s",
    "ravdess",
    "crema_d",
    "folder",
)
