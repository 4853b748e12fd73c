"""Recipes on CIFAR-10: what the papers on CIFAR-100 show there as well."""
