"""What ``segadapt explain`` knows of every row, as data for the page's script."""

import json
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

    def add(self, table: Path, record: Record) -> None:
        """Those of a table's rows; ``record`` is the table's."""
        for row in record["lineage"]["rows"]:
            self._rows.append(self._story(table.stem, explain(table, row["key"]), row["values"]))

    def content(self) -> dict[str, Any]:
        """``rows`` by number, and the ``jobs`` that they name."""
        return {"rows": self._rows, "jobs": list(self._jobs.values())}

    def of_table(self, table: str) -> dict[str, int]:
        """The rows of a table that has been added, by title, each with the number of its story."""
        return {row["title"]: number for number, row in enumerate(self._rows) if row["table"] == table}

    def _story(self, table: str, found: Explanation, values: dict[str, list[float | None]]) -> dict[str, Any]:
        several = len(found.trainings) > 1
        return {
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
