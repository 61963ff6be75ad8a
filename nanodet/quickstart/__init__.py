"""A whole project in minutes: drawn images, training, export, comparison, report."""

PICTURES, EPOCHS = 480, 32  # to train on, and how often
