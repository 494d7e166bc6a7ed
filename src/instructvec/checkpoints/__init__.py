"""What a model directory is: found, understood, read, hashed, written."""
