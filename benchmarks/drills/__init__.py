"""What can happen to a run, a module a kind: each has ``trials(shelf)``, and says what became of every one."""
