"""What a user reads: values, names and progress in messages; imports nothing but `nanodet.errors`."""
