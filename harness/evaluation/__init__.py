"""The bridge to lm-eval: tasks as its YAML, a model class that encodes as training does, scores."""
