"""Numbers from a network and data: errors, agreement, calibration, cost, latency."""
