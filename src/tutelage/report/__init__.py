"""What a reader sees after a run: tables, plots, one HTML page, citations."""
