"""That a process is asked to stop, told from code of others that calls ``exit``."""


class Stopped(SystemExit):
    """Raised where a signal asks the process to end, wherever it is: nobody's code has failed, and nobody keeps it."""
