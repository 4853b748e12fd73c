"""Hinton, Vinyals & Dean (2015) on MNIST: the table, the temperatures, the digit that was never shown, the ensemble."""
