"""From a plan to a file: short trials, a plan in words, the training or the cuts, what is handed over."""
