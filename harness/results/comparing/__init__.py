"""Is one method better than another? Paired differences over seeds and items."""
