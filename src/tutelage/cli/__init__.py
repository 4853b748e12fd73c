"""The command ``tutelage``."""

from tutelage.cli.command import main as main
