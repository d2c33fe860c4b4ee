"""Settings of every test: hypothesis draws the same examples in every run, at any speed."""

from hypothesis import settings

settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")
