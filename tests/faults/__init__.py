"""Faults on purpose: kills, lying disks, damaged files, scarce resources and hostile input, in many small cases.

``python -m tests.faults`` (or ``make faults``) runs them all, ``python -m tests.faults --case NAME`` one of them again.
"""

import sys
from pathlib import Path

# The toy project of the other tests; they import one another by these names.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
