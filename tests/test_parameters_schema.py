"""The JSON schema of ``params.yaml``, and that values stay as they were read."""

import json

import jsonschema
import pytest
from test_parameters import SCHEMA, SHIPPED, put, shipped
from tiny import tiny_parameters

from segadapt.core.parameters import load_parameters, parameters_from
from segadapt.core.parameters.loader import json_schema


def test_the_schema_that_is_shipped_is_the_models_own():
    assert json.loads(SCHEMA.read_text()) == json.loads(json.dumps(json_schema()))


def test_the_shipped_file_satisfies_its_schema_and_a_typo_does_not():
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(validator.schema)
    validator.validate(shipped())
    validator.validate(load_parameters(SHIPPED).model_dump(mode="json"))
    assert list(validator.iter_errors(put(shipped(), "methods.minent.lamda", 1)))
    assert list(validator.iter_errors(put(shipped(), "presets.paper.adapt.steps", "many")))


def test_values_never_change_after_reading():
    parameters = load_parameters(SHIPPED)
    with pytest.raises(ValueError, match="frozen"):
        parameters.methods["minent"].lambda_target = 1.0


def test_the_toy_parameters_of_the_tests_are_valid():
    assert parameters_from(tiny_parameters(), "tiny").active_preset.adapt.steps == 6
