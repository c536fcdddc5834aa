"""Why this design: what a finished search decided, explained by re-evaluating around its result."""
