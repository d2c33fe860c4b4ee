"""Whatever a public function is given, it answers with numbers or says what was wrong.

Every name in `__all__` of the three packages is called with good arguments but for one or two odd
ones: texts for an image, complex numbers, nothing, NaN, numbers that are too large. The answer is
finite, or an error of our own that says what was received, and not one from inside another library.
"""

import random

import pytest
from helpers import border
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.filterwarnings("ignore")
# Of the names below, what costs nothing to call is called often, the rest in the slow tests.
LIGHT = (
    "fer_data.labels",
    "fer_data.picture",
    "fer_data.protocols",
    "fer_data.synthetic",
    "fer_data.video",
    "fer_layers",
    "fer_models.training.recipes",
)
QUICK = (
    "fer_models:Recognizer",
    "fer_data.datasets",
    "fer_data.faces",
    "fer_models.compat",
    "fer_models.privacy",
    "fer_models.evaluation",
    "fer_models.robustness",
    "fer_models.studies",
    "fer_models.web",
    "fer_models:ConcordanceLoss",
    "fer_models:FaceSettings",
    "fer_models:LabelDistributionLoss",
    "fer_models:joint_losses",
    "fer_models:train_faces",
)


@pytest.fixture(scope="module")
def public():
    return border.public()


def test_every_public_name_is_called(public):
    unknown = [
        f"{name}({argument})"
        for name, function in public.items()
        for argument, maker in border.arguments(name, function).items()
        if maker is None and not border.is_result(function)
    ]
    assert not unknown, f"tests/helpers/border.py has no good value for {unknown}"


@settings(max_examples=200)
@given(st.data())
def test_odd_arguments_are_named(public, data):
    name = data.draw(st.sampled_from([each for each in public if each.startswith(LIGHT)]))
    _judge(public, name, _odd(data, public, name))


@settings(max_examples=40)
@given(st.data())
def test_odd_arguments_of_what_needs_models_are_named(public, data):
    name = data.draw(st.sampled_from([each for each in public if each.startswith(QUICK)]))
    _judge(public, name, _odd(data, public, name))


@pytest.mark.slow
def test_many_odd_arguments_are_named(public):
    drawn = random.Random(0)
    wrong = []
    for name, function in public.items():
        names = sorted(border.arguments(name, function))
        # Those of `fer_models` itself build whole networks.
        for _ in range((2 if name.startswith("fer_models:") else 6) if names else 0):
            odd = {drawn.choice(names): drawn.choice(list(border.ODD)) for _ in range(2)}
            found = border.call(name, function, odd)
            if found:
                wrong.append(f"{name} with {odd}: {found}")
    assert not wrong, "\n".join(wrong)


def _odd(data, public, name):
    names = sorted(border.arguments(name, public[name]))
    if not names:
        return {}
    return data.draw(
        st.dictionaries(
            st.sampled_from(names), st.sampled_from(list(border.ODD)), min_size=1, max_size=2
        )
    )


def _judge(public, name, odd):
    wrong = border.call(name, public[name], odd)
    assert wrong is None, f"{name} with {odd}: {wrong}"
