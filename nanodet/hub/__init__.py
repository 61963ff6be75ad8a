"""Published models: what there is, and how it gets into the cache."""
