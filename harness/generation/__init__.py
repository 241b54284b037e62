"""Token ids in, token ids or likelihoods out; knows neither tasks nor lm-eval."""
