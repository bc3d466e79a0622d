"""Tables whose rows stand in several settings: ``settings`` of an experiment."""

import copy

import pytest
from test_settings import content, sweep, thirteen

from segadapt.core.errors import UserError
from segadapt.core.parameters import parameters_from
from segadapt.plan.rows import table_rows


def test_a_table_may_stand_in_several_settings():
    found = content(("maxsquare",), rio=thirteen("Rio"), rome=thirteen("Rome"))
    found["experiments"]["table2"] |= {"settings": ["rome", "rio"], "rows": ["source_only", "maxsquare"]}
    rows = [row.key for row in table_rows(parameters_from(found, "tiny"), "table2")]
    assert rows == ["rome/source_only", "rome/maxsquare", "rio/source_only", "rio/maxsquare"]
    # What a preset says otherwise of one key leaves the other, whichever preset is active.
    for preset, change, expected in (
        ("tiny", {"rows": ["source_only"]}, ["rome/source_only", "rio/source_only"]),
        ("tiny", {"settings": ["rio"]}, ["rio/source_only", "rio/maxsquare"]),
        ("streets", {"settings": ["rio"]}, rows),
    ):
        changed = copy.deepcopy(found)
        changed["presets"][preset]["experiments"] = {"table2": change}
        assert [row.key for row in table_rows(parameters_from(changed, "tiny"), "table2")] == expected


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rows": ["source_only", "rome/maxsquare"]}, r"rows\[1\]: 'rome/maxsquare' has a setting of its own"),
        ({"rows": [], "sweeps": [sweep()]}, "settings: there are no rows that stand in them"),
        ({"settings": ["rome", "rome"]}, "settings: one stands there twice; list each once"),
        ({"rows": ["maxsquares"]}, "'maxsquares' is not defined"),
    ],
)
def test_settings_of_a_table_that_make_no_sense_are_refused(change, told):
    found = content(("maxsquare",), rome=thirteen("Rome"))
    found["experiments"]["table2"] |= {"settings": ["rome"]} | change
    with pytest.raises(UserError, match=told):
        parameters_from(found, "tiny")
