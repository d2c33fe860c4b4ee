"""Section on where a model looks, and whether the maps that say so mean anything."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fer_models import explain
from fer_models.auditing.blocks import Picture, Section, Table, Text, drawn, percent
from fer_models.explain.grad_cam import GradCAM

if TYPE_CHECKING:
    import keras

_ROWS = 5
_STAGES = 4


def explanation(
    model: "keras.Model",
    cam: GradCAM,
    images: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray,
    class_names: Sequence[str],
    samples: int,
    seed: int,
    batch_size: int,
) -> Section:
    """Return the section with Grad-CAM, its checks, and attention gates.

    Args:
        model: Keras model.
        cam: `explain.GradCAM` of it.
        images: Faces to measure the maps on; the first `samples` are drawn.
        labels: Their classes.
        probabilities: The model's, `(faces, classes)`.
        class_names: Names in class order.
        samples: How many faces are drawn.
        seed: Of the random maps and weights.
        batch_size: Faces at a time.
    """
    predicted = probabilities.argmax(axis=1)
    heat = cam(images, predicted, batch_size)
    shown = slice(0, samples)
    labels_of = [class_names[label] for label in labels[shown]]
    said = [
        f"{class_names[each]} {row[each]:.0%}"
        for each, row in zip(predicted[shown], probabilities[shown], strict=True)
    ]
    pictures = np.asarray(images[shown])
    blocks: list[Text | Table | Picture] = [
        drawn(
            lambda path: explain.contact_sheet(
                pictures, path, heat[shown], labels=labels_of, predictions=said
            ),
            "Grad-CAM of some test faces: original and predicted label above each.",
            "Grad-CAM: what speaks for the predicted class is yellow. Above each face its label, "
            "and the prediction in green where it is right, else in red.",
            wide=True,
        )
    ]
    table, faithful, warnings = _deletion(model, images, heat, predicted, seed, batch_size)
    blocks.append(table)
    found = explain.weight_randomization(
        model,
        images[: min(len(images), 32)],
        predicted[:32],
        stages=_STAGES,
        seed=seed,
        batch_size=batch_size,
    )
    means = found.means()
    blocks.append(
        Table(
            ("layers randomised, from the output down", "rank correlation with the true maps"),
            tuple(
                (f"{stage} of {len(found.layers)}", "no map left" if np.isnan(m) else f"{m:.2f}")
                for stage, m in zip(found.stages, means, strict=True)
            ),
            "Weight randomisation: maps that explain what was learned lose their likeness.",
        )
    )
    if means[-1] > 0.5:
        warnings.append(
            f"With all weights randomised the maps stay alike (correlation {means[-1]:.2f}): they "
            "show the faces more than the model."
        )
    blocks += _gates(model, pictures, labels_of, said, batch_size)
    return Section(
        key="explanation",
        title="Explanation",
        blocks=tuple(blocks),
        how=f"Grad-CAM of the layer {cam.path}, of the predicted class. Deletion and insertion "
        f"(Petsiuk et al. 2018) on {len(images)} test faces drawn at random (seed {seed}), 16 "
        "steps; weight randomisation (Adebayo et al. 2018) on "
        f"{min(len(images), 32)} of them. A heat map shows where, not why.",
        warnings=tuple(warnings),
        data={"layer": cam.path, "deletion": faithful, "randomization": found.to_dict()},
    )


def _deletion(model, images, heat, predicted, seed, batch_size):
    chance_maps = np.random.default_rng(seed).random(heat.shape)
    ours, chance = (
        explain.deletion_insertion(
            model, images, maps, predicted, steps=16, seed=seed, batch_size=batch_size
        )
        for maps in (heat, chance_maps)
    )
    rows, data, warnings = [], {"faces": len(images)}, []
    for name, better in (("deletion", -1), ("insertion", 1)):
        mine, other = (getattr(each, f"{name}_auc") for each in (ours, chance))
        gain = better * (mine - other)
        error = 1.96 * gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.nan
        wanted = "lower is better" if better < 0 else "higher is better"
        rows.append(
            (
                f"{name} ({wanted})",
                f"{mine.mean():.3f}",
                f"{other.mean():.3f}",
                f"{gain.mean():+.3f} ± {error:.3f}"
                if np.isfinite(error)
                else f"{gain.mean():+.3f}",
                percent((gain > 0).mean(), 0),
            )
        )
        data[name] = {
            "grad_cam": float(mine.mean()),
            "random": float(other.mean()),
            "gain": float(gain.mean()),
            "half_interval": float(error) if np.isfinite(error) else None,
            "better": float((gain > 0).mean()),
        }
        # Written so that a single face, whose interval is nan, warns as well.
        if not gain.mean() - error > 0:
            warnings.append(
                f"By {name}, the heat maps are not better than random ones: do not read much into "
                "them."
            )
    table = Table(
        ("area under the curve", "Grad-CAM", "random maps", "gain ± 95 %", "faces with gain"),
        tuple(rows),
        "Deleting the hottest places first should take the prediction away fast, inserting them "
        "first should bring it fast.",
    )
    return table, data, warnings


def _gates(model, pictures, labels, predictions, batch_size):
    gates = explain.attention_gates(model, pictures, batch_size)
    gates = [gate for gate in gates if gate.space() is not None]
    # Gates of a few positions show squares; those that do not differ over the faces show nothing.
    gates = [gate for gate in gates if np.ptp(gate.space()) > 0]
    if not gates:
        return [Text("The model has no attention layers whose gates vary in space.")]
    chosen = np.unique(np.linspace(0, len(gates) - 1, _ROWS).round().astype(int))
    columns = min(6, len(pictures))
    return [
        drawn(
            lambda path: explain.gate_sheet(
                pictures,
                [gates[index] for index in chosen],
                path,
                labels=labels,
                predictions=predictions,
                columns=columns,
            ),
            "Gates of attention layers laid over faces.",
            f"Attention gates, {len(chosen)} of {len(gates)} that vary in space, from the input to "
            "the output; the mean over the channels. Each row has its own scale, written at its "
            "left: gates often differ by little.",
            wide=True,
        )
    ]
