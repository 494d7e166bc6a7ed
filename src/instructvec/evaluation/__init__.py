"""Encoders and tasks -> scores with intervals, what the wording does to them, and a report."""
