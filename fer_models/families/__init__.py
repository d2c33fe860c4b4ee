"""The model builders, one family a file."""
