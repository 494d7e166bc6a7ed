"""The road's rooms: inputs and instructions -> tokens -> batches, and vectors -> what was asked for."""
