"""Training batches of several data sets in the order of `SetOrder`, by NumPy or by TensorFlow."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_data import arguments
from fer_data.checks import check_instance
from fer_data.pipelines.augmentation.policies import Augmentation, policy
from fer_data.pipelines.face_batches import FaceBatches
from fer_data.pipelines.set_order import SetOrder

if TYPE_CHECKING:
    import tensorflow as tf


class JoinedBatches(FaceBatches):
    """`FaceBatches` for training, in the order of a `SetOrder`.

    Args:
        images: As in `FaceBatches`.
        targets: As in `FaceBatches`.
        order: The order of the faces in each epoch.
        **options: Further arguments of `FaceBatches`, except `training`, `seed` and `passes`, which
            come from the order.

    Raises:
        ValueError: If the order is for another number of faces, or as `FaceBatches`.

    Example:

    >>> order = SetOrder([8, 2], weights=[1, 1])
    >>> faces = np.zeros((10, 48, 48, 1), "uint8")
    >>> batches = JoinedBatches(faces, np.eye(7)[np.arange(10) % 7], order, batch_size=4)
    >>> len(batches), batches[0][0].shape
    (2, (4, 48, 48, 1))
    """

    def __init__(
        self, images: np.ndarray, targets: np.ndarray, order: SetOrder, **options: Any
    ) -> None:
        check_instance("order", order, SetOrder, "a `SetOrder`")
        super().__init__(
            images, targets, training=True, seed=order.seed, passes=order.passes, **options
        )
        _check_order(order, self.images)
        self.sets = order

    def _order(self, epoch):
        known, order = self.order
        if known != epoch:
            order = self.sets(epoch)
            self.order = epoch, order
        return order


@arguments.checked(
    images=arguments.images,
    targets=arguments.array(ranks=(2,)),
    order=arguments.instance(SetOrder, "a `SetOrder`"),
    batch_size=arguments.integer(1),
    initial_epoch=arguments.integer(0),
)
def joined_pipeline(
    images: np.ndarray,
    targets: np.ndarray,
    order: SetOrder,
    *,
    batch_size: int = 32,
    augmentation: str | Mapping[str, Any] | Augmentation | None = None,
    initial_epoch: int = 0,
) -> "tf.data.Dataset":
    """Return the same batches as `JoinedBatches` from tf.data, which has RandAugment and keras-cv.

    The order is the same. The augmentation is that of
    `fer_data.pipelines.augmentation.with_tensorflow`, and the last batch of an epoch may be
    smaller.

    Args:
        images: uint8 `(faces, height, width, channels)`; they are not copied.
        targets: float32 `(faces, classes)`, rows that sum to one.
        order: The order of the faces in each epoch.
        batch_size: Faces per batch.
        augmentation: As in `fer_data.pipelines.augmentation.policy`.
        initial_epoch: Number of the first epoch.

    Returns:
        An endless `tf.data.Dataset` of `(images, targets)`, float32.

    Raises:
        ValueError: If the order is for another number of faces.
    """
    import tensorflow as tf

    from fer_data.pipelines.augmentation import with_tensorflow as augmenting

    _check_order(order, images)
    chosen = policy(augmentation)
    augmenting.check_engine(chosen)
    targets = np.asarray(targets, "float32")
    seeds = tf.constant(np.array([order.seed, order.seed >> 32], "int64").astype("int32"))

    def places(epoch):
        found = tf.numpy_function(order, [epoch], tf.int64, stateful=False)
        return tf.data.Dataset.from_tensor_slices(tf.ensure_shape(found, (len(order),)))

    def epoch_batches(epoch):
        epoch_seed = tf.random.fold_in(seeds, epoch)
        batches = places(epoch).batch(batch_size).enumerate()
        return batches.map(lambda step, some: (some, tf.random.fold_in(epoch_seed, step)))

    def batch(some, seed):
        # From NumPy's memory: a constant of the graph would hold the faces a second time.
        found, learned = tf.numpy_function(
            lambda rows: (images[rows], targets[rows]),
            [some],
            (tf.uint8, tf.float32),
            stateful=False,
        )
        found = tf.ensure_shape(found, (None, *images.shape[1:]))
        learned = tf.ensure_shape(learned, (None, targets.shape[1]))
        found, learned = augmenting.augment(found, learned, chosen, seed)
        return tf.cast(found, tf.float32), learned

    batches = tf.data.Dataset.counter(initial_epoch).flat_map(epoch_batches)
    batches = batches.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
    return batches.apply(endless).prefetch(tf.data.AUTOTUNE)


def needs_tensorflow(augmentation: str | Mapping[str, Any] | Augmentation | None) -> bool:
    """Return whether an augmentation needs TensorFlow: RandAugment, or any by keras-cv.

    Args:
        augmentation: As in `fer_data.pipelines.augmentation.policy`.

    Example:

    >>> needs_tensorflow("mixup"), needs_tensorflow("randaug")
    (False, True)
    """
    chosen = policy(augmentation)
    return chosen.rand_aug is not None or chosen.engine != "tensorflow"


def _check_order(order, images):
    if sum(order.counts) != len(images):
        raise ValueError(
            f"`order` must be of the {len(images)} faces. Received: {sum(order.counts)} faces"
        )
