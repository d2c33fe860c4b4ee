"""What batch norm's statistics do to the moving average of the weights, of `fer train --ema`.

    python benchmarks/average_statistics.py RUN [--data-dir PREPARED]

Accuracy and loss on the validation faces of the weights that train, of their average under the
statistics that training gathered (what `keras.callbacks.SwapEMAWeights` validates), and of the
average under its own (`fer_models.recipes.AverageWeights`), as the run's last epoch left them.
"""

import argparse
import math
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from fer_models import evaluation, recipes
from fer_models.training import generations, resume, runs
from fer_models.training.face_settings import FaceSettings
from fer_models.training.face_training import FaceTraining, build_model
from fer_models.training.recipe_batches import scoring_batches, training_batches


def rows(run, data_dir=None):
    """Yield name, accuracy and loss of each of the three."""
    settings = FaceSettings.from_record(run / runs.RECORD)
    training = FaceTraining(settings, run, data_dir=data_dir)
    recipe = training.recipe
    if recipe.ema is None:
        raise ValueError(f"{run} must hold a run with --ema")
    training.load()
    names = training.class_names
    options = {"seed": settings.seed, "passes": settings.passes}
    faces = training_batches(recipe, training.faces, len(names), **options)
    validation = scoring_batches(recipe, training.faces, "validation", len(names))
    labels = np.concatenate([np.asarray(label) for _, label in validation]).argmax(-1)
    keras.config.set_dtype_policy(settings.precision)
    keras.utils.set_random_seed(settings.seed)
    model = build_model(settings, recipe, len(names))
    steps = settings.passes * math.ceil(training.faces.counts["train"] / recipe.batch_size)
    model.compile(**recipe.compile_kwargs(steps))
    generation = generations.latest(run / "state")
    if generation is None:
        raise ValueError(f"{run} must hold a run with an epoch that is finished")
    resume.restore(model, generation)

    def scored(name):
        probabilities = model.predict(validation, verbose=0)
        report = evaluation.classification_report(labels, probabilities, names)
        return name, report.accuracy, report.loss

    yield scored("the weights that train")
    model.optimizer.finalize_variable_values(model.trainable_variables)
    yield scored("their average, statistics of training")
    recipes.AverageWeights(model, recipes.some_images(faces(0), steps)).settle()
    yield scored("their average, statistics of its own")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="output folder of a run of fer train --ema")
    parser.add_argument("--data-dir", help="where prepared data sets are kept")
    options = parser.parse_args()
    print("| weights | accuracy | loss |\n|---|---:|---:|")
    for name, accuracy, loss in rows(options.run, options.data_dir):
        print(f"| {name} | {accuracy:.2%} | {loss:.4f} |", flush=True)


if __name__ == "__main__":
    main()
