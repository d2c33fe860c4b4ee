"""Keras networks compiled for repeated use: as a frozen TensorFlow graph, and as LiteRT."""
