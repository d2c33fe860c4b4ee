"""Data sets and tf.data pipelines for facial expression recognition."""
