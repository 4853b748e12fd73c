"""How experiments are run, whoever asks: settings, trials, and the tables and networks that come of them.

No paper is known here; what a paper claims lives with its recipe.
"""
