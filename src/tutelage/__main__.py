"""``python -m tutelage`` is the command ``tutelage``."""

import os
import sys

if __name__ == "__main__":
    # Python puts where one stands first on the path; that is looked into for what is named, and for nothing else.
    if not sys.flags.safe_path and os.path.abspath(sys.path[0]) in (os.getcwd(), os.path.dirname(__file__)):
        del sys.path[0]
    from tutelage.cli.command import main

    sys.exit(main())
