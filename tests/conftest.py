"""What holds for all tests."""

from hypothesis import settings

# Tests say what is done, not how quickly: the machine may be busy. A hang meets pytest's own limit.
settings.register_profile("patchbay", deadline=None)
settings.load_profile("patchbay")
