"""Settings of every test: hypothesis draws the same examples in every run."""

from hypothesis import settings

settings.register_profile("reproducible", derandomize=True)
settings.load_profile("reproducible")
