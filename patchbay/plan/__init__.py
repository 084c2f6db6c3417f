"""The difference between what should be and what is, and the order in which to remove it: pure."""
