"""Train on class folders of your own faces, look at the report, and name the faces of a photo.

    python examples/train_on_a_folder.py my_faces runs/mine [party.jpg]

`my_faces` has a folder of pictures for each class; `fer crop` cuts them out of photos. A stopped
training goes on when the same command is given again. `fer train --data folder` does the same.
"""

import argparse

import fer_models


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("faces", help="a folder of pictures for each class")
    parser.add_argument("output", help="folder to write into")
    parser.add_argument("photo", nargs="?", help="a photo whose faces are named afterwards")
    args = parser.parse_args(argv)

    settings = fer_models.FaceSettings(
        recipe="ghostface_small",
        data="folder",
        path=args.faces,
        validation_fraction=0.2,
        model={"stem_strides": 1, "width": 0.5},
        augmentation="basic",
        epochs=10,
    )
    print(fer_models.train_faces(settings, args.output).report)
    if args.photo is not None:
        # The file knows the names of its classes.
        for face in fer_models.Recognizer(f"{args.output}/best.keras").photo(args.photo):
            print(face)


if __name__ == "__main__":
    main()
