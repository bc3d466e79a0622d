"""For all tests: hypothesis measures no times, for a busy machine is no fault of the code."""

from contextlib import nullcontext

import pytest
from hypothesis import settings

settings.register_profile("segadapt", deadline=None)
settings.load_profile("segadapt")


@pytest.fixture(scope="module", params=["bands", "plain"])
def both_forms(request):
    """Runs a module's tests with the losses in bands, the default on a CPU, and in their plain form."""
    from segadapt.losses.form import use_plain_form

    with use_plain_form() if request.param == "plain" else nullcontext():
        yield
