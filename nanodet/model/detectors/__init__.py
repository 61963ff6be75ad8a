"""The detectors: how a backbone, a neck and heads are put together."""
