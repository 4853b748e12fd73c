"""Where batches come from: sets in memory or streamed, their views, subsets, and files from here or the network."""
