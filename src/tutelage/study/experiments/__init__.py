"""What several recipes ask alike: who is trained, what is compared, and the tables that are published."""
