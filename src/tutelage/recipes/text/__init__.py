"""Networks of texts made small: encoders that were really pretrained, vectors of sentences, language models."""
