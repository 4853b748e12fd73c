"""Networks as named steps of a run: trained, given or derived once, and found again by whoever needs the same one.

* ``stage``: a training in its folder, with a log, a validation, checkpoints;
* ``storage``: the files of a finished stage; ``obtain``: how its networks come into them;
* ``locks``, ``signals``: one process at a time, and stopping after a whole step.
"""
