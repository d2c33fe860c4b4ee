"""Pipelines: from prepared data sets, files or arrays to batches for training."""
