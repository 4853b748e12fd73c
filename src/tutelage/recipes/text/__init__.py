"""Encoders of texts made small: vectors of sentences, from a network that was really pretrained."""
