"""What is learnt, whoever learns it: how answers are judged, and which way is better. A new task is one new file."""
