"""Write a model for phones in three ways, and see what each costs on your own faces.

    python examples/export_to_phone.py runs/mine/best.keras my_faces

MY_FACES holds train and test (or validation) folders with a folder for each class, or is the .npz
file that was packed from them. If it holds only class folders, the faces that the run.json beside
the model sets apart from training are measured, else a fifth of the faces.
"""

import argparse
from pathlib import Path

import fer_models
from fer_data.pipelines.labelled_faces import load_faces
from fer_data.pipelines.split_arrays import draw_places, split_arrays
from fer_models.export import accuracy_lost, export, load
from fer_models.training.trained_on import check_same_faces, sets_of, trained_on

# Name of the file, format, and how many training faces show the range of the activations.
WAYS = (("whole", "litert", 0), ("small", "litert-int8", 0), ("smallest", "litert-int8", 200))


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", help="a .keras file, or NAME:TAG of bundled weights")
    parser.add_argument("faces", help="labelled faces that the model knows the classes of")
    parser.add_argument("--output", type=Path, default=Path("runs/phone"))
    args = parser.parse_args(argv)

    model, names = fer_models.load_model(args.model)
    height, width, channels = model.input_shape[1:]
    division, source = {"data": "folder", "path": args.faces}, ""
    # To a model that was trained on a published data set all of these faces are new.
    if any(known["data"] == "folder" for known in sets_of(args.model)):
        division, source = trained_on(args.model, **division)
    faces = load_faces(**division, size=max(height, width))
    if source:
        check_same_faces(args.model, faces.counts)
    elif set(faces.counts) == {"train"}:
        faces = load_faces(**division, validation_fraction=0.2, size=max(height, width))
    shape = {"size": (height, width), "channels": channels, "class_names": names}
    held_out = split_arrays(faces, "test" if "test" in faces.counts else "validation", **shape)
    places = draw_places(faces.counts["train"], max(count for *_, count in WAYS))
    training = split_arrays(faces, "train", **shape, places=places)

    for name, format, count in WAYS:
        path = args.output / f"{name}.tflite"
        shown = training.images[:count] if count else None
        report = export(model, path, format, held_out.images, shown, overwrite=True, verbose=False)
        lost = accuracy_lost(model, load(path), held_out.images, held_out.labels)
        print(
            f"{path}: {report.size:,} bytes, {report.numbers}; accuracy {lost.exported:.1%}, "
            f"{lost.lost_points:.1f} ± {lost.margin_points:.1f} points lost"
        )


if __name__ == "__main__":
    main()
