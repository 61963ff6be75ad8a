"""A whole project in minutes: drawn pictures, training, export, comparison, report."""
