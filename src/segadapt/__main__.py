"""``python -m segadapt`` is the console script."""

import sys

from segadapt.cli import main

sys.exit(main())
