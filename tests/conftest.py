"""For all tests: hypothesis measures no times, for a busy machine is no fault of the code."""

import importlib
import importlib.util
import os
from contextlib import nullcontext
from unittest import mock

import pytest
from hypothesis import settings

# Triton asks when it is imported whether its own functions are to be interpreted, as ``test_losses_triton.py`` wants
# them. Torch's compiler imports it too, and whoever comes first decides for all files of a process.
if importlib.util.find_spec("triton") is not None:
    with mock.patch.dict(os.environ, TRITON_INTERPRET="1"):
        importlib.import_module("triton.language")

settings.register_profile("segadapt", deadline=None)
settings.load_profile("segadapt")

LONG = {
    f"test_{name}.py"
    for name in ("engines", "faults", "golden_bytes", "freshness_walk", "kill", "gpu_benchmark", "compile")
}
"""Files that take minutes each."""


def pytest_collection_modifyitems(items):
    """Long files first: none of them is left when the other processes have nothing more to do."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(scope="module", autouse=True)
def no_class_sets_of_another_file():
    """Jobs that run in the test's process leave theirs."""
    yield
    import tiny

    tiny.forget_class_sets()


@pytest.fixture(scope="module", params=["bands", "plain"])
def both_forms(request):
    """Runs a module's tests with the losses in bands, the default on a CPU, and in their plain form."""
    from segadapt.losses.dispatch import use_plain_form

    with use_plain_form() if request.param == "plain" else nullcontext():
        yield


@pytest.fixture(scope="module")
def page_made(tmp_path_factory):
    """The folder of a project whose page of a run has been made, and its plan."""
    from toy_report import make_page

    folder = tmp_path_factory.mktemp("report")
    return folder, make_page(folder)


@pytest.fixture
def page(page_made, monkeypatch):
    """The page, in whose project the test runs."""
    from toy_report import PAGE

    monkeypatch.chdir(page_made[0])
    return page_made[0] / PAGE
