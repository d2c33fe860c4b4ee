"""Training: recipes and their runs, on faces and clips, distillation, resuming, privacy."""
