"""Smaller and faster networks that say the same, or nearly the same."""
