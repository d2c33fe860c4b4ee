"""Training: recipes, label distribution, ensembles, averaging, resuming, differential privacy."""
