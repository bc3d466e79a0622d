"""Multi-level self-produced guidance: ``adapt`` from a source model that has the auxiliary head.

A stage of its own because its source model, sizes and schedule are its own in ``params.yaml``.
"""

from segadapt.stages.adapt import adapt
from segadapt.stages.runner import main

if __name__ == "__main__":
    main(adapt)
