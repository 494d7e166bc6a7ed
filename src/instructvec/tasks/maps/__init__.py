"""Texts -> a map of them: points in the plane, coloured, under one instruction or two, as a page or a picture."""
