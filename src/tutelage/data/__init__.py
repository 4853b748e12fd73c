"""Where batches come from: sets in memory, the views they show, subsets, and files that are found or fetched."""
