"""What users of the original NanoDet call: its scripts' arguments and its `Predictor`."""
