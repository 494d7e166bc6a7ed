"""Texts with vectors -> an index that is searched, changed, and kept in a folder.

Knows nothing by itself: :mod:`.index` is the door, each other module one of its parts, and all of them are reached
through :class:`instructvec.tasks.Index`.
"""
