"""The devices that Keras computes on."""

import keras


def devices() -> str:
    """Return the devices that Keras computes on, in words, such as `"cpu:0"`."""
    backend = keras.backend.backend()
    if backend in ("tensorflow", "jax"):
        return ", ".join(keras.distribution.list_devices())
    if backend != "torch":
        return "cpu:0"
    import torch

    # Keras lists no devices there: a new tensor shows which one it takes.
    device = keras.ops.zeros(()).device
    name = f" {torch.cuda.get_device_name(device)}" if device.type == "cuda" else ""
    return f"{device.type}:{device.index or 0}{name}"
