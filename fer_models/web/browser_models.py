"""The networks as ONNX files: the face detector's three and the expression model."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

DETECTOR_OUTPUTS = {
    "pnet": ("regression", "scores"),
    "rnet": ("regression", "scores"),
    "onet": ("regression", "landmarks", "scores"),
}
SIDES = {"pnet": 31, "rnet": 24, "onet": 48}
TOLERANCES = {"detector": 1e-4, "expression": 1e-5}
OPSET = 17


def write_detector(folder: Path) -> dict[str, float]:
    """Write pnet.onnx, rnet.onnx and onet.onnx: MTCNN with the weights of its wheel.

    They take `(batch, 3, height, width)` in [-1, 1] and give by name what the wheel's networks
    give, channels first. Written out here and not by a converter: that takes each PReLU apart and
    runs slower in a browser.

    Args:
        folder: Where to write; it exists.

    Returns:
        The greatest difference from Keras by network, on random pixels.
    """
    from mtcnn.stages import StageONet, StagePNet, StageRNet

    differences = {}
    stages = {"pnet": StagePNet, "rnet": StageRNet, "onet": StageONet}
    for name, stage in stages.items():
        network = stage()._model
        path = folder / f"{name}.onnx"
        _save(_detector_graph(network, name), path)
        side = SIDES[name]
        pixels = np.random.default_rng(0).uniform(-1, 1, (4, side, side, 3)).astype("float32")
        expected = [np.moveaxis(np.asarray(y), -1, 1) for y in network(pixels)]
        received = _run(path, np.moveaxis(pixels, -1, 1))
        differences[name] = _greatest(expected, received, TOLERANCES["detector"], name)
    return differences


def write_yunet(folder: Path) -> None:
    """Write yunet.onnx: the face detector YuNet of the package, for pictures of any size.

    It takes `(1, 3, height, width)` in [0, 255], blue first, sides that 32 divides.

    Args:
        folder: Where to write; it exists.
    """
    import onnx

    from fer_data.faces import yunet

    model = onnx.load(yunet.FILE)
    # The published file names one size. Its layers hold for all.
    (image,) = model.graph.input
    for place, name in ((2, "height"), (3, "width")):
        image.type.tensor_type.shape.dim[place].dim_param = name
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = f"places_{output.name}"
    del model.graph.value_info[:]
    onnx.checker.check_model(model)
    onnx.save(model, folder / "yunet.onnx")


def write_expression(model: "keras.Model", path: Path) -> float:
    """Write an expression model, its batch norms folded, any number of faces at a time.

    Args:
        model: The expression model.
        path: File to write, ending in `.onnx`.

    Returns:
        The greatest difference from Keras, on random pixels.

    Raises:
        ValueError: If it is greater than `TOLERANCES` allows.
    """
    from fer_models.export import export

    shape = (3, *model.input_shape[1:])
    pixels = np.random.default_rng(0).uniform(0, 255, shape).astype("float32")
    tolerance = TOLERANCES["expression"]
    report = export(model, path, "onnx", pixels, tolerance=tolerance, verbose=False)
    return report.comparison.max_abs_error


def _detector_graph(network, name):
    import keras
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights = [], []

    def constant(label, array):
        array = np.ascontiguousarray(array, dtype=np.float32)
        weights.append(numpy_helper.from_array(array, label))
        return label

    def node(kind, inputs, output, **attributes):
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def weighted(layer, x, output):
        kernel, bias = layer.get_weights()
        dense = isinstance(layer, keras.layers.Dense)
        kernel = kernel if dense else kernel.transpose(3, 2, 0, 1)
        inputs = [x, constant(f"{layer.name}/kernel", kernel), constant(f"{layer.name}/bias", bias)]
        softmax = layer.activation is keras.activations.softmax
        linear = node(
            "Gemm" if dense else "Conv", inputs, f"{layer.name}/linear" if softmax else output
        )
        return node("Softmax", [linear], output, axis=1) if softmax else linear

    names = DETECTOR_OUTPUTS[name]
    kinds = [type(layer) for layer in network.layers]
    last = max(place for place, kind in enumerate(kinds) if kind is keras.layers.PReLU)
    x = "image"
    for layer in network.layers[: last + 1]:
        if isinstance(layer, keras.layers.PReLU):
            slope = layer.get_weights()[0]
            slope = slope.reshape(-1, 1, 1) if slope.ndim == 3 else slope
            x = node("PRelu", [x, constant(f"{layer.name}/slope", slope)], layer.name)
        elif isinstance(layer, keras.layers.MaxPooling2D):
            padding = {"same": "SAME_UPPER", "valid": "VALID"}[layer.padding]
            size = {"kernel_shape": layer.pool_size, "strides": layer.strides}
            x = node("MaxPool", [x], layer.name, auto_pad=padding, **size)
        elif isinstance(layer, keras.layers.Permute):
            # To (width, height, channels), the order in which its weights were trained.
            x = node("Transpose", [x], layer.name, perm=[0, 3, 2, 1])
        elif isinstance(layer, keras.layers.Flatten):
            x = node("Flatten", [x], layer.name)
        else:
            x = weighted(layer, x, layer.name)
    heads = network.layers[last + 1 :]
    for layer, output in zip(heads, names, strict=True):
        weighted(layer, x, output)
    dense = isinstance(heads[0], keras.layers.Dense)
    side = ["height", "width"] if name == "pnet" else [SIDES[name]] * 2
    outputs = [
        helper.make_tensor_value_info(
            output,
            TensorProto.FLOAT,
            ["batch", layer.get_weights()[1].size] + ([] if dense else ["rows", "columns"]),
        )
        for layer, output in zip(heads, names, strict=True)
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, *side])
    return helper.make_graph(nodes, name, [image], outputs, weights)


def _save(graph, path):
    import onnx

    imports = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(graph, opset_imports=imports, ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _run(path, pixels):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: pixels})


def _greatest(expected, received, tolerance, name):
    difference = max(
        float(np.abs(one - other).max()) for one, other in zip(expected, received, strict=True)
    )
    if not difference <= tolerance:
        raise RuntimeError(
            f"{name} as ONNX must give what Keras gives to {tolerance}. "
            f"Received: difference={difference}"
        )
    return difference
