"""Weights as other programs leave them: the kind of file, which name is which, and what was done so that they fit."""
