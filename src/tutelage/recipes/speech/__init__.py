"""Hinton, Vinyals & Dean (2015) on speech: what ten acoustic models know, in one; soft targets against overfitting."""
