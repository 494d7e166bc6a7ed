"""Files of texts -> files of vectors, in shards that survive an interruption."""
