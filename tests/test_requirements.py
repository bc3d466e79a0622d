"""What only the user can bring, and what is said in the copies that DVC makes for experiments."""

import pytest
import tiny

from segadapt.core.errors import UserError
from segadapt.core.parameters import load_parameters
from segadapt.plan import make_plan, statuses
from segadapt.plan.requirements import check_requirements


@pytest.mark.parametrize("missing", ["data", "weights"])
@pytest.mark.parametrize("place", [".", ".dvc/tmp/exps/standalone/tmp1"])
def test_what_is_missing_is_named_with_what_to_do(missing, place, tmp_path, monkeypatch):
    parameters = tiny.tiny_parameters()
    if missing == "weights":
        parameters["presets"]["tiny"]["model"]["initial_weights"] = "datasets/weights.safetensors"
    folder = tiny.make_project(tmp_path / place / "project", parameters)
    if missing == "data":
        (folder / "toy").rename(folder / "elsewhere")
    monkeypatch.chdir(folder)
    with pytest.raises(UserError) as told:
        check_requirements(statuses(make_plan(load_parameters("params.yaml"))))
    says = str(told.value)
    assert "toy/gta5 is missing: " in says if missing == "data" else "weights.safetensors are missing: " in says
    snapshot = place != "."
    assert ("DVC's copy of the project" in says and "absolute paths" in says) == snapshot
    assert ("get GTA5" in says or "put the file there" in says) == (not snapshot)
    assert "\n" not in says
