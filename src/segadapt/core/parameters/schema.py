"""The JSON schema of ``params.yaml``, made from the typed models so that there is one source."""

from typing import Any

from segadapt.core.parameters.root import Parameters


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) that editors and Snakemake validate against."""
    schema = Parameters.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
