"""``python -m tutelage`` is the command ``tutelage``."""

import sys

from tutelage.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
