"""The command `fer`: one module for each subcommand, thin over importable functions."""

from fer_models.cli.main import main

__all__ = ["main"]
