"""The channels of a network: who makes and who reads them, and how they are taken out."""
