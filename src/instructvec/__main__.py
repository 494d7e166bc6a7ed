"""``python -m instructvec``: the same as the ``instructvec`` command."""

import sys

from instructvec.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
