"""What each sequence contributes to the network's answer: exact Shapley values, and their means by class."""
