"""Text for users: values, names and progress in messages; only imports `nanodet.errors`."""
