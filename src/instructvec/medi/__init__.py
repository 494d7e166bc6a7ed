"""MEDI: datasets with instructions -> a mixture of (query, positive, hard negative) to train embedders on."""
