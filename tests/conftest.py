"""For all tests: hypothesis measures no times, for a busy machine is no fault of the code."""

from hypothesis import settings

settings.register_profile("segadapt", deadline=None)
settings.load_profile("segadapt")
