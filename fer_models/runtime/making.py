"""Make the ready networks again from their source weights.

    python -m fer_models.runtime.making

Writes, beside a manifest with SHA-256 and source of each, the LiteRT files of the bundled weights
into `fer_models/zoo/weights`, of MTCNN's three networks and of RetinaFace into
`fer_data/faces/networks`. RetinaFace's public weights are fetched once. Run it after
`fer_models/zoo/weights` has changed, in the source tree; a test checks that. Nothing here is needed
at run time.

The numbers stay float32, but for weights that come in 8 bits: the convolutions and dense layers of
those have 8 bits here too, the same to rounding, and compute in float32. Half precision would halve
the files, but batch normalisation is folded into the convolutions first, so that it is not free
though the weights come in half precision: probabilities of 1,200 faces moved by up to 0.003, and
one label of them.
"""

import hashlib
import importlib.metadata
import importlib.resources
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from fer_data.compiled import ready_files
from fer_data.compiled.lite_graph import convert, traced
from fer_data.compiled.lite_runner import LiteNetwork
from fer_data.faces import compiled_mtcnn
from fer_data.faces.retinaface.network import retinaface_mobilenet025
from fer_data.faces.retinaface.rows import NAME as RETINAFACE
from fer_data.faces.retinaface.weights import SHA256, URL, find_weights, load_weights
from fer_data.files import whole_file, write_json
from fer_models.zoo import bundled, registry

# Greatest difference from what TensorFlow gives, in parts of the greatest number above 1.
TOLERANCE = 1e-4


class Source(NamedTuple):
    """The source of a ready network.

    Attributes:
        name: Name of the ready network.
        folder: Folder of the source tree that it lies in.
        function: Function of TensorFlow from pictures `(n, ...)` to one output `(n, ...)`.
        shape: Shape of a picture, None where it varies.
        span: Lowest and highest value of a picture.
        origin: What is noted of the source: `source`, `source_sha256`, `licence`.
        example: What stands for None in `shape` where the network is compared.
        eight_bits: Whether the source's large kernels come in 8 bits.
    """

    name: str
    folder: Path
    function: Callable[[Any], Any]
    shape: tuple[int | None, ...]
    span: tuple[float, float]
    origin: dict[str, str]
    example: int = 31
    eight_bits: bool = False


def make(folder: Path | None = None, names: list[str] | None = None) -> dict[str, float]:
    """Make ready networks, check each against TensorFlow, and write it with its manifest.

    Args:
        folder: Folder for all of them. Default: where they belong in the package.
        names: Names of the networks, such as `"ghostface_ferplus"` or `"mtcnn_pnet"`. Default: all
            of them.

    Returns:
        Greatest difference from TensorFlow by network.

    Raises:
        ValueError: If a network gives something else than TensorFlow; it is not written.
    """
    differences = {}
    for source in sources(names):
        content = convert(traced(source.function, source.shape))
        if source.eight_bits:
            content = in_eight_bits(content)
        differences[source.name] = difference(source, LiteNetwork(content))
        if not differences[source.name] <= TOLERANCE:
            raise ValueError(
                f"The network {source.name!r} must give what TensorFlow gives to {TOLERANCE}. "
                f"Received: a difference of {differences[source.name]}"
            )
        place = source.folder if folder is None else Path(folder)
        path = place / f"{source.name}.tflite"
        with whole_file(path) as temporary:
            temporary.write_bytes(content)
        versions = {each: importlib.metadata.version(each) for each in ("keras", "tensorflow")}
        entry = ready_files.described(path, **source.origin, made_with=versions)
        known = ready_files.entries(place) | {source.name: entry}
        write_json(place / ready_files.MANIFEST, dict(sorted(known.items())))
    return differences


def sources(names: list[str] | None = None) -> Iterator[Source]:
    """Yield what the ready networks are made from.

    Args:
        names: Names of the networks. Default: all.

    Raises:
        ValueError: If there is no network of a name.
    """
    bundled = {f"{model}_{tag}" for model, own in registry.MODELS.items() for tag in own.weights}
    unknown = set(names or ()) - bundled - compiled_mtcnn.INPUTS.keys() - {RETINAFACE}
    if unknown:
        known_names = sorted([*bundled, *compiled_mtcnn.INPUTS, RETINAFACE])
        raise ValueError(
            f"`names` must be out of {', '.join(known_names)}. "
            f"Received: {', '.join(sorted(unknown))}"
        )
    for model, entry in registry.MODELS.items():
        for tag, known in entry.weights.items():
            if names is None or f"{model}_{tag}" in names:
                yield _bundled(model, tag, known)
    if names is None or set(names) & compiled_mtcnn.INPUTS.keys():
        functions = compiled_mtcnn.wheel_functions()
        for name, function in zip(compiled_mtcnn.INPUTS, functions, strict=True):
            if names is None or name in names:
                yield _mtcnn(name, function)
    if names is None or RETINAFACE in names:
        yield _retinaface()


def difference(source: Source, network: Callable[[np.ndarray], np.ndarray]) -> float:
    """Return the greatest difference of a ready network from its source, on drawn pixels.

    Where the source gives numbers above 1, the difference is in parts of the greatest one.

    Args:
        source: A source.
        network: The network made from it.
    """
    shape = tuple(side or source.example for side in source.shape)
    generator = np.random.default_rng(0)
    # Noise, and pictures as smooth as faces: coarse noise made larger.
    coarse = generator.uniform(*source.span, (4, 4, 4, shape[-1]))
    smooth = coarse.repeat(shape[0] // 4 + 1, 1).repeat(shape[1] // 4 + 1, 2)
    pictures = np.concatenate(
        [generator.uniform(*source.span, (4, *shape)), smooth[:, : shape[0], : shape[1]]]
    ).astype(np.float32)
    expected = np.asarray(source.function(pictures))
    return float(np.abs(network(pictures) - expected).max() / max(1.0, np.abs(expected).max()))


def in_eight_bits(content: bytes) -> bytes:
    """Return a LiteRT model with the weights of its convolutions and dense layers in 8 bits.

    It computes in float32. Weights that are whole numbers up to 127 times a factor of the output,
    as `fer_models.zoo.weight_files` reads them, stay as they are to rounding; folding batch
    normalisation into them changes the factors alone. A layer that convolves by itself, as the
    gates of attention do, has other weights: `make` refuses its network, whose answers change.

    Args:
        content: The model, of float32.
    """
    from ai_edge_quantizer.qtyping import TFLOperationName
    from ai_edge_quantizer.quantizer import Quantizer

    quantizer = Quantizer(bytearray(content))
    for operation in (TFLOperationName.CONV_2D, TFLOperationName.FULLY_CONNECTED):
        quantizer.add_weight_only_config(".*", operation, 8)
    return bytes(quantizer.quantize(enable_progress_report=False).quantized_model)


def _bundled(model, tag, known):
    network = registry.entry(model).builder(weights=tag)
    return Source(
        name=f"{model}_{tag}",
        folder=bundled.FOLDER,
        function=lambda images: network(images, training=False),
        shape=network.input_shape[1:],
        span=(0, 255),
        origin={
            "source": f"{model}:{tag}",
            "source_sha256": known.sha256,
            "licence": known.licence,
        },
        eight_bits=known.card.get("numbers") == "int8",
    )


def _mtcnn(name, function):
    weights = f"{name.removeprefix('mtcnn_')}.lz4"
    content = (importlib.resources.files("mtcnn") / "assets" / "weights" / weights).read_bytes()
    return Source(
        name=name,
        folder=compiled_mtcnn.FOLDER,
        function=function,
        shape=compiled_mtcnn.INPUTS[name],
        span=(-1, 1),
        origin={
            "source": f"{weights} of the wheel mtcnn {importlib.metadata.version('mtcnn')}",
            "source_sha256": hashlib.sha256(content).hexdigest(),
            "licence": "MIT, LICENSE-mtcnn.txt",
        },
    )


def _retinaface():
    network = retinaface_mobilenet025()
    load_weights(network, find_weights())

    def rows(images):
        found = network(images, training=False)
        return keras.ops.concatenate(
            [found["scores"][..., None], found["boxes"], found["points"]], axis=-1
        )

    return Source(
        name=RETINAFACE,
        folder=compiled_mtcnn.FOLDER,
        function=rows,
        shape=(None, None, 3),
        span=(0, 255),
        origin={
            "source": URL,
            "source_sha256": SHA256,
            "licence": "MIT, LICENSE-retinaface.txt",
        },
        example=64,
    )


if __name__ == "__main__":
    for made, largest in make(names=sys.argv[1:] or None).items():
        print(f"{made}: within {largest:.1e} of TensorFlow")
