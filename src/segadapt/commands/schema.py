"""``segadapt schema``: the JSON schema of ``params.yaml``, for editors."""

import argparse
import json

HELP = "print the JSON schema of params.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # takes none


def run(given: argparse.Namespace) -> None:
    from segadapt.core.parameters.loader import json_schema

    print(json.dumps(json_schema(), indent=1))
