"""``python -m instructvec``: the command line without its script."""

from __future__ import annotations

import sys

from instructvec.cli.main import main

sys.exit(main())
