"""Models of the problem, learned in the loop, by which actions are tried before they are taken."""
