"""Show which pixels decide: heat maps of faces or of clips, and what attention lets through.

Finds the faces in photos, or in all photos of a folder, and cuts them out as in recognition; with
--whole the pictures are faces already. The output folder gets grad_cam.png, gates.png and
channels.png where the model has attention, and explanation.json: how fast the probability falls
when the hottest places are deleted, and rises when they are inserted, compared with random maps. A
model of clips takes no photos: it is shown clips of a data set, with one picture for each.
"""

import argparse
import json
from pathlib import Path

from fer_data.labels import EMOTIONS
from fer_models.cli.face_data import add_model_argument, check_single_faces
from fer_models.cli.media import DETECTORS, check_input, check_output, counted
from fer_models.cli.running import CheckFailedError, UsageError, progress, remark, remarks

EXAMPLE = """fer explain ghostface:fer2013 party.jpg
fer explain runs/mine/best.keras my_faces/happy --whole
fer explain runs/casme2/folds/000/model.keras --data casme2 --path FOLDER"""

METHODS = ("grad_cam", "hires_cam")
CLIPS = ("synthetic", "casme2", "cas_me2", "cas_me3", "samm_long_videos", "smic_hs")
TYPES = ("png", "jpg", "svg", "pdf")
REGIONS = ("landmarks", "grid")
# Options of one of the two kinds of models.
FOR_PHOTOS = ("name", "whole", "detector")
FOR_CLIPS = (
    "data",
    "path",
    "data_dir",
    "clip",
    "subject",
    "per_class",
    "raw",
    "regions",
    "columns",
    "type",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `fer explain`.

    Args:
        parser: Parser of the subcommand.
    """
    add_model_argument(parser)
    add = parser.add_argument
    add(
        "photos",
        nargs="*",
        type=Path,
        metavar="PHOTO|FOLDER",
        help="photos with faces, or folders of photos",
    )
    add("--detector", choices=DETECTORS, default="mtcnn", help="what finds the faces")
    add("--whole", action="store_true", help="take each picture as a face, look for none in it")
    add(
        "--class", dest="name", metavar="NAME", help="class to explain (default: the predicted one)"
    )
    add("--method", choices=METHODS, help="heat map (default: what fits the network)")
    add("--output", type=Path, default=Path("runs/explain"), help="folder to write into")
    add("--seed", type=int, help="seed of random maps, or of the synthetic people of clips")
    add("--json", action="store_true", help="print what explanation.json holds")
    clips = parser.add_argument_group("models of clips").add_argument
    clips("--data", choices=CLIPS, default="synthetic", help="where the clips come from")
    clips("--path", type=Path, help="folder or archive of the data set; none for synthetic")
    clips("--data-dir", type=Path, help="where prepared data sets are kept")
    clips("--clip", metavar="ID", help="the one clip to explain")
    clips("--subject", help="only clips of this subject")
    clips("--per-class", type=int, default=1, help="clips of each class")
    clips(
        "--raw",
        action=argparse.BooleanOptionalAction,
        help="the network was trained on grey levels, not on motion (default: as in its file)",
    )
    clips(
        "--regions",
        choices=REGIONS,
        help="the regions that the network was trained on (default: as in its file)",
    )
    clips("--columns", type=int, default=8, help="time steps that are shown, at most")
    clips("--type", choices=TYPES, default="png", help="file type of the pictures")
    defaults = {name: parser.get_default(name) for name in FOR_PHOTOS + FOR_CLIPS}
    parser.set_defaults(defaults=defaults)


def run(args: argparse.Namespace) -> None:
    """Explain, write, and print a line for each face, or a path for each clip.

    Args:
        args: The parsed arguments.
    """
    for path in args.photos:
        check_input(path, videos=False)
    check_output(args.output)
    from fer_models.zoo.face_outputs import expression_part
    from fer_models.zoo.loading import load_model

    model, names = load_model(args.model)
    model = expression_part(model)
    clips = len(model.inputs[0].shape) == 5
    for name in FOR_PHOTOS if clips else FOR_CLIPS:
        if getattr(args, name) != args.defaults[name]:
            flag = "class" if name == "name" else name.replace("_", "-")
            what = "photos" if clips else "clips"
            raise UsageError(f"--{flag} is for models of {what}, which {args.model} is not")
    if clips:
        if args.photos:
            raise UsageError(f"{args.model} takes clips, and no photos: see --data")
        _clips(args)
        return
    check_single_faces(model, args.model)
    if not args.photos:
        raise UsageError("give photos, or a folder of them")
    _faces(args, model, names)


def _faces(args, model, names):
    from fer_data.files import write_json
    from fer_models.explain.face_explanation import explain_faces
    from fer_models.zoo.class_names import of_outputs

    if names is None and model.output_shape[-1] == len(EMOTIONS):
        # As for `Recognizer`.
        names = EMOTIONS
    names = of_outputs(model.output_shape[-1], names)
    if args.name is not None and args.name not in names:
        raise UsageError(f"--class must be one of {', '.join(names)}, not {args.name!r}")
    images, sources = _cut(args, model)
    found = explain_faces(
        model,
        images,
        args.output,
        names,
        class_index=None if args.name is None else names.index(args.name),
        method=args.method or "grad_cam",
        seed=args.seed or 0,
    )
    faces = [
        {"source": str(source)} | entry
        for source, entry in zip(sources, found.to_list(names), strict=True)
    ]
    content = {"model": args.model, "class_names": list(names), "faces": faces}
    write_json(args.output / "explanation.json", content)
    if args.json:
        print(json.dumps(content, indent=1))
    else:
        for face in faces:
            print(_line(face))
    remark(f"Wrote {', '.join(path.name for path in found.pictures)} in {args.output}")


def _line(face):
    return (
        f"{face['source']}: {face['label']} {max(face['probabilities'].values()):.0%}; "
        f"{face['explained']}: deletion {face['deletion_auc']:.2f} (random "
        f"{face['random_deletion_auc']:.2f}), insertion {face['insertion_auc']:.2f} (random "
        f"{face['random_insertion_auc']:.2f})"
    )


def _cut(args, model):
    """Return the faces of the photos as the model takes them, and the photo of each."""
    from fer_data.faces.detectors import detector
    from fer_data.faces.photo_faces import cut_photos
    from fer_models.recognizer.annotated_files import photos_of

    size, _, channels = model.input_shape[1:]
    finder = None if args.whole else detector(args.detector)
    inside = [photos_of(path)[0] if path.is_dir() else [path] for path in args.photos]
    paths = [path for photos in inside for path in photos]
    with progress(len(paths), "photos", off=len(paths) == 1) as bar:
        found = cut_photos(paths, finder, size, channels, lambda path: bar.update())
    if len(found.unreadable) == len(paths):
        raise ValueError(next(iter(found.unreadable.values())))
    remarks(
        f"{counted(len(found.unreadable), 'photo')} could not be read", found.unreadable.values()
    )
    if not found.sources:
        raise CheckFailedError(
            f"no face was found in {', '.join(map(str, args.photos))} by {args.detector}"
        )
    return found.images, found.sources


def _clips(args):
    from fer_models.explain import explain_clip_file

    options = {} if args.seed is None else {"seed": args.seed}
    paths = explain_clip_file(
        args.model,
        args.output,
        data=args.data,
        path=args.path,
        data_dir=args.data_dir,
        clip=args.clip,
        subject=args.subject,
        per_class=args.per_class,
        motion=None if args.raw is None else not args.raw,
        region_cut=args.regions,
        method=args.method,
        columns=args.columns,
        type=args.type,
        **options,
    )
    if args.json:
        print(json.dumps([str(path) for path in paths], indent=1))
    else:
        for path in paths:
            print(path)
