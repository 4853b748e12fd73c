"""Whether a network does well on the samples that it is given, and where it does not, why."""
