"""The README shows what the committed run measured, and names files that are there."""

import re

import tiny

from segadapt.reporting.readme import readme_table

README = (tiny.REPOSITORY / "README.md").read_text()


def test_the_table_is_that_of_the_committed_run():
    assert readme_table(tiny.REPOSITORY / "results/streets/table2.csv") in README
    assert readme_table(tiny.REPOSITORY / "results/streets/oracle.csv").splitlines()[-1] in README


def test_every_linked_file_is_there():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (tiny.REPOSITORY / target).exists(), target
