"""What stands behind a cell of a table: scores, weights, data, versions, predictions."""
