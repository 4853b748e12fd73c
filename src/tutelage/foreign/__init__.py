"""Networks that were made elsewhere, and what only answers, as an ``nn.Module`` like any other."""
