"""What of a search for a student matters, on CIFAR-10."""

from dataclasses import replace
from functools import partial

from tutelage.recipes.cifar100 import searches as cifar100
from tutelage.recipes.cifar100.search import PAPER
from tutelage.recipes.cifar100.settings import IMAGES, SUBSET

__all__ = ["PAPER"]

ALL, PART = replace(IMAGES, name="cifar10"), replace(SUBSET, name="cifar10")
search_losses = partial(cifar100.search_losses, images=ALL)
search_losses_smoke = partial(cifar100.search_losses_smoke)
search_losses_cpu = partial(cifar100.search_losses_cpu, images=PART)
search_kl0 = partial(cifar100.search_kl0, images=ALL)
search_kl0_smoke = partial(cifar100.search_kl0_smoke)
search_kl0_cpu = partial(cifar100.search_kl0_cpu, images=PART)
search_strength = partial(cifar100.search_strength, images=ALL)
search_strength_smoke = partial(cifar100.search_strength_smoke)
search_strength_cpu = partial(cifar100.search_strength_cpu, images=PART)
