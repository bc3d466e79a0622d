"""What ``segadapt explain`` knows of every row, as data for the page's script."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from segadapt.core.metering import Cost
from segadapt.reporting.lineage.differences import resolved
from segadapt.reporting.lineage.explain import Explanation, explain
from segadapt.reporting.lineage.text import cost_lines
from segadapt.reporting.lineage.trace import Record


class Stories:
    """Collects the stories of rows; a job that stands behind several of them is told once."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._jobs: dict[str, dict[str, Any]] = {}

    def add(self, table: Path, record: Record, beside: Iterable[Record] = ()) -> None:
        """Those of a table's rows.

        Args:
            table: Its CSV.
            record: The table's provenance.
            beside: Those of what goes with the table: their values of a row are told with the row.
        """
        numbers = {row["key"]: len(self._rows) + place for place, row in enumerate(record["lineage"]["rows"])}
        controls = {each.get("row", each["key"]): each["baseline"] for each in record["identity"]["config"]["rows"]}
        for row in record["lineage"]["rows"]:
            values = dict(row["values"])
            for each in (other for record in beside for other in record["lineage"]["rows"]):
                if each["key"] == row["key"]:
                    values = each["values"] | values
            story = self._story(table.stem, row["key"], explain(table, row["key"]), values)
            self._rows.append(story | {"baseline": numbers.get(controls.get(row["key"]))})

    def content(self) -> dict[str, Any]:
        """``rows`` by number, and the ``jobs`` that they name."""
        return {"rows": self._rows, "jobs": list(self._jobs.values())}

    def of_table(self, table: str) -> dict[str, int]:
        """The rows of a table that has been added, by title, each with the number of its story."""
        return {row["title"]: number for number, row in enumerate(self._rows) if row["table"] == table}

    def controls(self, table: str) -> dict[str, str]:
        """The title of the control by the titles of the rows of a table that has been added."""
        pairs = [(row["title"], row["baseline"]) for row in self._rows if row["table"] == table]
        return {title: self._rows[number]["title"] for title, number in pairs if number is not None}

    def of_row(self, key: str) -> int | None:
        """The number of the story of the row with this key, in the first table that has it."""
        return next((number for number, row in enumerate(self._rows) if row["key"] == key), None)

    def _story(self, table: str, key: str, found: Explanation, values: dict[str, list[float | None]]) -> dict[str, Any]:
        several = len(found.trainings) > 1
        return {
            "key": key,
            "title": found.title,
            "table": table,
            "preset": found.config["preset"],
            "protocol": found.config["protocol"],
            "seeds": found.seeds,
            "mean": found.column,
            "values": values,
            "jobs": [self._number(job) for job in found.jobs],
            "cost": cost_lines(found.jobs),
            "parameters": [
                [f"{job['identity']['name']}: {key}" if several else key, _text(value)]
                for job in found.trainings
                for key, value in resolved(job, found.config).items()
            ],
            "inputs": [[sha256, path] for path, sha256 in (found.data_manifests() | found.outside_files()).items()],
            "remake": found.remake(),
        }

    def _number(self, job: Record) -> int:
        files = [[each["sha256"][:16], each["path"]] for each in job["outputs"].values()]
        about = {"name": job["identity"]["name"], "took": f"{Cost.of_record(job).seconds:.1f} s"}
        self._jobs.setdefault(job["fingerprint"], about | {"commit": str(job["commit"]), "files": files})
        return list(self._jobs).index(job["fingerprint"])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
