"""Labelled data -> the instruction under which a model serves it best: candidates, their scores, the choice."""
