"""A training that the system kills, as a power cut does, ends as an unbroken one."""

import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import fer_models  # noqa: F401, registers the layers of the saved models

SCRIPT = """
import os, signal, sys
import keras, numpy as np
from fer_models import recipes

class Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (int(sys.argv[2]), 1):
            os.kill(os.getpid(), signal.SIGKILL)

keras.utils.set_random_seed(7)
recipe = recipes.get("emotion_cnn_regularized").replace(
    batch_size=8, input_shape=(24, 24, 1), schedule=recipes.Plateau(patience=1), patience=9,
    stages=(recipes.Stage("head", 2, ("hidden*", "logits")), recipes.Stage("all", 2)),
)
model = recipe.build(classes=3, seed=7)
rng = np.random.default_rng(0)
images = rng.uniform(0, 255, (24, 24, 24, 1)).astype("float32")
labels = np.eye(3, dtype="float32")[np.arange(24) % 3]

class Faces(keras.utils.PyDataset):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def __len__(self):
        return 3

    def __getitem__(self, index):
        order = np.random.default_rng(self.epoch).permutation(24)[8 * index : 8 * index + 8]
        return images[order], labels[order]

    def on_epoch_end(self):
        self.epoch += 1

history = recipe.fit(
    model, Faces, (images[:6], labels[:6]), directory=sys.argv[1], callbacks=[Kill()], verbose=0
)
print(history.epoch)
"""


def train(folder, kill):
    words = [sys.executable, "-c", SCRIPT, str(folder), str(kill)]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    # Keras reports a lower learning rate above the line that the script prints.
    return found, "".join(found.stdout.splitlines()[-1:])


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, 3], ids=["frozen stage", "second stage"])
def test_a_killed_training_ends_as_an_unbroken_one(tmp_path, epoch):
    killed, _ = train(tmp_path / "killed", epoch)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "killed" / "last.keras").exists()
    resumed, epochs = train(tmp_path / "killed", 99)
    assert epochs == str(list(range(epoch, 4))), resumed.stderr
    unbroken, epochs = train(tmp_path / "unbroken", 99)
    assert epochs == "[0, 1, 2, 3]", unbroken.stderr
    for name in ("best", "last"):
        first, second = (
            keras.models.load_model(Path(tmp_path) / run / f"{name}.keras").get_weights()
            for run in ("killed", "unbroken")
        )
        for a, b in zip(first, second, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)
    histories = [(tmp_path / run / "history.csv").read_text() for run in ("killed", "unbroken")]
    assert histories[0].count("\n") == histories[1].count("\n") == 5
