"""Token ids in, token ids or likelihoods out; knows no tasks and no evaluation library."""
