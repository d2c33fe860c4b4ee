"""Section on what a model costs: parameters, operations, time."""

from typing import TYPE_CHECKING

from fer_models import evaluation
from fer_models.auditing.blocks import Figure, Section, Table

if TYPE_CHECKING:
    import keras


def complexity(model: "keras.Model", input_shape: tuple[int, ...], hardware: str) -> Section:
    """Return the section on size and speed.

    Args:
        model: Keras model.
        input_shape: Shape of one face.
        hardware: In words.
    """
    cost = evaluation.complexity(model, input_shape)
    times = {
        batch: evaluation.latency(model, batch_size=batch, input_shape=input_shape, repeats=20)
        for batch in (1, 32)
    }
    parameters = cost.trainable + cost.non_trainable
    rows = [
        ("parameters", f"{parameters:,}"),
        ("of these trainable", f"{cost.trainable:,}"),
        ("multiply-accumulates of convolutions and dense layers", f"{cost.macs:,}"),
        ('"FLOPs" as FER papers count them', f"{cost.papers_flops:,}"),
    ]
    rows += [
        (
            f"time of a batch of {batch}, median (10 to 90 % of the calls)",
            f"{time.median_ms:.1f} ms ({time.p10_ms:.1f} to {time.p90_ms:.1f})",
        )
        for batch, time in times.items()
    ]
    warnings = []
    if cost.uncounted:
        warnings.append(f"Not counted: {', '.join(cost.uncounted)}; the operations are too low.")
    size = " x ".join(map(str, input_shape))
    return Section(
        key="complexity",
        title="Complexity",
        blocks=(Table(("", "value"), tuple(rows), f"For one face of {size}."),),
        how="Operations are counted layer by layer (fer_models.evaluation.complexity). Times are "
        f"of a compiled forward pass on this machine ({hardware}), {times[1].repeats} calls each, "
        "with whatever else it was doing.",
        warnings=tuple(warnings),
        figures=(
            Figure("parameters", _short(parameters), f"{_short(cost.macs)} multiply-accumulates"),
        ),
        data={
            "parameters": parameters,
            "trainable": cost.trainable,
            "macs": cost.macs,
            "papers_flops": cost.papers_flops,
            "uncounted": list(cost.uncounted),
            "latency": {str(batch): time.to_dict() for batch, time in times.items()},
        },
    )


def _short(number):
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return str(number)
