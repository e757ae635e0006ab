"""What the model runs on: which ways of computing it pay off."""


def on_jax() -> bool:
    """Whether Keras runs on JAX."""
    import keras

    return bool(keras.backend.backend() == "jax")


def on_cpu() -> bool:
    """Whether Keras runs on JAX and JAX on a CPU, where work saved is time saved."""
    if not on_jax():
        return False
    import jax

    return bool(jax.default_backend() == "cpu")
