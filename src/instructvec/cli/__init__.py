"""The ``instructvec`` command: each command parses, builds a config, calls one function and prints."""
