"""What several recipes of one data set share; nothing in here is a recipe."""
