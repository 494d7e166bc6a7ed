"""The parts of the page about a mixture: counts as tables and bars, and rows to look at."""
