"""The rules of the arguments that all pipelines share, for `fer_data.arguments.checked`."""

from fer_data import arguments

BATCH_RULES: dict[str, arguments.Rule] = {
    "classes": arguments.integer(1),
    "batch_size": arguments.integer(1),
    "training": arguments.flag,
    "label_smoothing": arguments.number(0, 1),
    "channels": arguments.choice((1, 3)),
    "cache": arguments.either(
        arguments.flag, arguments.path, rule="True, False or the path of a folder"
    ),
    "shuffle": arguments.either(
        arguments.flag, arguments.integer(1), rule="an integer >= 1, True or False"
    ),
    "seed": arguments.seed,
    "initial_epoch": arguments.integer(0),
    "repeat": arguments.flag,
    "drop_remainder": arguments.flag,
    "workers": arguments.either(
        arguments.integer(1),
        arguments.integer(-1, -1),
        rule="an integer >= 1, or -1 for as many as TensorFlow chooses",
    ),
    "prefetch": arguments.integer(-1),
}
