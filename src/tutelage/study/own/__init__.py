"""Networks and samples that somebody has: found, read, measured, and who of them takes part."""
