"""Trains a method from the initial weights: ``adapt`` without a source model before it.

A stage of its own because its sizes and schedule are its own in ``params.yaml``.
"""

from segadapt.stages.adapt import adapt
from segadapt.stages.runner import main

if __name__ == "__main__":
    main(adapt)
