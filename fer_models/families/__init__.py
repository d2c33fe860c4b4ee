"""The model builders, one file for each family."""
