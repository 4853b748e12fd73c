"""Your own network and your own data: a small network of a trained one, measured and ready to be used elsewhere."""
