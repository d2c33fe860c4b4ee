"""The compiled networks find what the wheel's own find."""

import importlib.util

import keras
import numpy as np
import pytest

MISSING = [name for name in ("mtcnn", "skimage") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="fer_data is tested on TensorFlow"
    ),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]


@pytest.mark.parametrize("on_cpu", [True, False])
def test_compiled_networks_find_the_same(on_cpu):
    from mtcnn import MTCNN
    from skimage import data

    from fer_data.faces.compiled_mtcnn import compile_stages

    options = {"output_type": "numpy", "postprocess": False}
    compiled, plain = compile_stages(MTCNN(), on_cpu), MTCNN()
    assert [stage.name for stage in compiled.stages] == [stage.name for stage in plain.stages]
    portrait = data.astronaut()[:256, 80:400]
    batch = [portrait, portrait[:, ::-1], np.zeros_like(portrait)]
    expected = plain.detect_faces(batch, **options)
    assert len(expected) >= 2
    np.testing.assert_allclose(compiled.detect_faces(batch, **options), expected, atol=1e-2)
    assert len(compiled.detect_faces([np.zeros_like(portrait)], **options)) == 0
