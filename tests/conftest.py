"""What holds for all tests."""

from hypothesis import settings

# How long an example takes depends on the machine, and on kernels that are not compiled yet.
settings.register_profile("qlab", deadline=None)
settings.load_profile("qlab")
