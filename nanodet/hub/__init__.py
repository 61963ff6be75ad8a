"""Published models: the catalogue, downloading, and the cache."""
