"""``python -m rushlight`` is the same as the `rushlight` command."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
