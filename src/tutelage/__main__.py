"""``python -m tutelage`` is the command ``tutelage``."""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:  # the current directory is looked into for what is named, and for nothing else
        del sys.path[0]
    from tutelage.cli.command import main

    sys.exit(main())
