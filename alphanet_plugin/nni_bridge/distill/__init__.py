"""NNI's layerwise distillers with this package's KD losses."""
