"""A finished student as files that run without this package, each compared with the network before it is kept."""
