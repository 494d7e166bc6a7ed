"""A mixture of triplets with instructions -> a finetuned model: objective, batches, trainer."""
