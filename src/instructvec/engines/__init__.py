"""What multiplies the matrices: one engine a file, a table of them, and the choice among them."""

from __future__ import annotations
