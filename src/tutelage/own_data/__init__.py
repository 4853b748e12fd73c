"""Data of the user's own, whatever form they have: found, looked at, and read into sets in memory."""
