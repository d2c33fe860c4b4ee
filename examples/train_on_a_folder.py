"""Train on class folders of your own faces, look at the report, and name the faces of a photo.

    python examples/train_on_a_folder.py my_faces runs/mine [party.jpg]

`my_faces` has a folder of pictures for each class; `fer crop` cuts them out of photos. A stopped
training goes on when the same command is given again. `fer train --data folder` is the same.
"""

import sys

import fer_models


def main(faces, output, photo=None):
    settings = fer_models.FaceSettings(
        recipe="ghostface_small",
        data="folder",
        path=faces,
        validation_fraction=0.2,
        model={"stem_strides": 1, "width": 0.5},
        augmentation="basic",
        epochs=10,
    )
    print(fer_models.train_faces(settings, output).report)
    if photo is not None:
        # The file knows the names of its classes.
        for face in fer_models.Recognizer(f"{output}/best.keras").photo(photo):
            print(face)


if __name__ == "__main__":
    main(*sys.argv[1:])
