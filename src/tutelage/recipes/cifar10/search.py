"""A student that is searched for within its teacher, on CIFAR-10."""

from dataclasses import replace
from functools import partial

from tutelage.recipes.cifar100 import search as cifar100
from tutelage.recipes.cifar100.search import PAPER
from tutelage.recipes.cifar100.settings import IMAGES, SUBSET

__all__ = ["PAPER"]

search = partial(cifar100.search, images=replace(IMAGES, name="cifar10"))
search_smoke = partial(cifar100.search_smoke)
search_cpu = partial(cifar100.search_cpu, images=replace(SUBSET, name="cifar10"))
