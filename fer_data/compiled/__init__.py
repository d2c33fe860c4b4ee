"""Networks made ready for repeated use: as LiteRT files, and as frozen TensorFlow graphs."""
