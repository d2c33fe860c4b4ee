"""Attacks with gradients: FGSM, PGD and APGD, within a maximum change of every pixel."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from fer_data import arguments
from fer_data.checks import check_epsilon, check_integer
from fer_models.robustness.attack_loop import Attack, box_around, uniform_starts
from fer_models.robustness.loss_gradients import InputGradients, check_loss

if TYPE_CHECKING:
    import keras


@arguments.checked(verbose=arguments.plain)
def fgsm(
    model: "keras.Model | InputGradients",
    images: ArrayLike,
    labels: ArrayLike,
    epsilon: float,
    *,
    batch_size: int = 64,
    verbose: int = 0,
) -> np.ndarray:
    """Change every pixel by `epsilon` along the sign of the loss's gradient: one step.

    Args:
        model: Built Keras model that takes pixels of [0, 255] and gives `(batch, classes)`; or an
            `InputGradients` of it, which is compiled only once. Noise and dropout are off.
        images: Array of the model's shape in [0, 255].
        labels: True class of each image, integers `(examples,)`.
        epsilon: Largest change of a pixel in grey levels of [0, 255]: 2 is the literature's 2/255.
        batch_size: Images at a time.
        verbose: 0 is silent, 1 shows progress.

    Returns:
        float32 images of the same shape, within [0, 255] and `epsilon` of the originals. Images
        that the model already names wrong come back as they are.

    Raises:
        ValueError: If an argument breaks its rule.

    Example:

    ```python
    adversarial = fgsm(model, images, labels, epsilon=4)
    ```

    Reference:
        Goodfellow, Shlens and Szegedy, "Explaining and Harnessing Adversarial Examples", ICLR
        2015, section 4.
    """
    attack = Attack(model, images, labels, batch_size, verbose, "FGSM", 1)
    check_epsilon("epsilon", epsilon)
    return attack.run(lambda part: _fgsm(part, epsilon))


@arguments.checked(verbose=arguments.plain)
def pgd(
    model: "keras.Model | InputGradients",
    images: ArrayLike,
    labels: ArrayLike,
    epsilon: float,
    *,
    steps: int = 20,
    step_size: float | None = None,
    seed: int = 0,
    batch_size: int = 64,
    verbose: int = 0,
) -> np.ndarray:
    """Climb the loss by steps along the sign of its gradient, from a random start.

    An image is done as soon as the model errs on it.

    Args:
        model: As in `fgsm`.
        images: As in `fgsm`.
        labels: As in `fgsm`.
        epsilon: As in `fgsm`.
        steps: Steps, 1 or more.
        step_size: Length of a step in grey levels; default `2.5 * epsilon / steps`, which suffices
            to reach every corner of the allowed box and to leave it again, and 255 at most.
        seed: Seed of the random starts; each image has its own, which does not depend on the other
            images.
        batch_size: As in `fgsm`.
        verbose: As in `fgsm`.

    Returns:
        float32 images as from `fgsm`.

    Raises:
        ValueError: If an argument breaks its rule.

    Example:

    ```python
    adversarial = pgd(model, images, labels, epsilon=4, steps=20)
    ```

    Reference:
        Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", ICLR 2018,
        section 2.1.
    """
    check_epsilon("epsilon", epsilon)
    check_integer("steps", steps, 1)
    check_integer("seed", seed, 0)
    if step_size is None:
        step_size = min(2.5 * epsilon / steps, 255)
    check_epsilon("step_size", step_size)
    attack = Attack(model, images, labels, batch_size, verbose, f"PGD, {epsilon}/255", steps + 1)
    return attack.run(lambda part: _pgd(part, epsilon, steps, step_size, seed))


@arguments.checked(loss=arguments.text, verbose=arguments.plain)
def apgd(
    model: "keras.Model | InputGradients",
    images: ArrayLike,
    labels: ArrayLike,
    epsilon: float,
    *,
    loss: str = "ce",
    steps: int = 100,
    seed: int = 0,
    batch_size: int = 64,
    verbose: int = 0,
) -> np.ndarray:
    """Climb the loss with momentum and a step that is halved when it stops helping.

    Args:
        model: As in `fgsm`.
        images: As in `fgsm`.
        labels: As in `fgsm`.
        epsilon: As in `fgsm`.
        loss: `"ce"` (APGD-CE) or `"dlr"` (APGD-DLR, three classes or more); see
            `InputGradients`.
        steps: Steps, 1 or more. The checkpoints at which the step may be halved follow from it.
        seed: Seed of the random starts, as in `pgd`.
        batch_size: As in `fgsm`.
        verbose: As in `fgsm`.

    Returns:
        float32 images as from `fgsm`. For faces that withstand the attack, those of the largest
        loss.

    Raises:
        ValueError: If an argument breaks its rule.

    Example:

    ```python
    adversarial = apgd(model, images, labels, epsilon=4, loss="dlr")
    ```

    Reference:
        Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse
        parameter-free attacks", ICML 2020, algorithm 1 and section 3.
    """
    check_epsilon("epsilon", epsilon)
    check_integer("steps", steps, 1)
    check_integer("seed", seed, 0)
    name = f"APGD-{str(loss).upper()}, {epsilon}/255"
    attack = Attack(model, images, labels, batch_size, verbose, name, steps + 1)
    check_loss(loss, attack.gradients.classes)
    return attack.run(lambda part: _apgd(part, epsilon, loss, steps, seed))


def checkpoints(steps: int) -> list[int]:
    """Return the steps at which APGD looks back, ascending (Croce and Hein, section 3.2)."""
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    places = {int(np.ceil(share * steps - 1e-9)) for share in shares[1:] if share <= 1}
    return sorted(places - {0})


def one_step(images: np.ndarray, slopes: np.ndarray, epsilon: float) -> np.ndarray:
    """Return images after one step of `epsilon` along the sign of their gradients."""
    low, high = box_around(images, epsilon)
    return np.clip(images + np.float32(epsilon) * directions(slopes), low, high)


def directions(slopes: np.ndarray) -> np.ndarray:
    """Return the signs of gradients; 0, which changes nothing, where one is not a number."""
    return np.nan_to_num(np.sign(slopes))


def _fgsm(part, epsilon):
    _, _, slopes = part.gradients(part.images, part.labels, "ce", part.batch_size)
    part.result[:] = one_step(part.images, slopes, epsilon)
    part.step()


def _pgd(part, epsilon, steps, step_size, seed):
    low, high = box_around(part.images, epsilon)
    x = np.clip(uniform_starts(part, epsilon, seed), low, high)
    active = np.arange(len(x))
    for _ in range(steps):
        scores, _, slopes = part.gradients(x[active], part.labels[active], "ce", part.batch_size)
        holding = part.keep(active, x[active], scores)
        active, slopes = active[holding], slopes[holding]
        if not len(active):
            return
        moved = x[active] + np.float32(step_size) * directions(slopes)
        x[active] = np.clip(moved, low[active], high[active])
        part.step()
    part.keep(active, x[active], part.gradients.scores(x[active], part.batch_size))


def _apgd(part, epsilon, loss, steps, seed):
    momentum, enough = np.float32(0.75), 0.75
    low, high = box_around(part.images, epsilon)
    x = np.clip(uniform_starts(part, epsilon, seed), low, high)
    scores, value, slope = part.gradients(x, part.labels, loss, part.batch_size)
    active = np.flatnonzero(part.keep(np.arange(len(x)), x, scores))
    before = x.copy()
    best, best_value, best_slope = x.copy(), value.copy(), slope.copy()
    size = np.full(len(x), 2 * epsilon, "float32")
    rises = np.zeros(len(x), int)
    last_check, last_size, last_best = 0, size.copy(), best_value.copy()
    looks = checkpoints(steps)
    for number in range(steps):
        if not len(active):
            break
        here = x[active]
        reach = size[active, None, None, None] * directions(slope[active])
        there = np.clip(here + reach, low[active], high[active])
        if number:
            there = here + momentum * (there - here) + (1 - momentum) * (here - before[active])
            there = np.clip(there, low[active], high[active])
        before[active], x[active] = here, there
        scores, found, slope[active] = part.gradients(
            there, part.labels[active], loss, part.batch_size
        )
        rises[active] += found > value[active]
        value[active] = found
        better = active[found > best_value[active]]
        best[better], best_value[better], best_slope[better] = (
            x[better], value[better], slope[better],
        )  # fmt: skip
        active = active[part.keep(active, there, scores)]
        part.step()
        if number + 1 in looks:
            seldom = rises < enough * (number + 1 - last_check)
            stuck = (size == last_size) & (best_value == last_best)
            last_check, last_size, last_best = number + 1, size.copy(), best_value.copy()
            rises[:] = 0
            halve = seldom | stuck
            size[halve] /= 2
            x[halve], slope[halve], value[halve] = best[halve], best_slope[halve], best_value[halve]
    part.result[active] = best[active]
