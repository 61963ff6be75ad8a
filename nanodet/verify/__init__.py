"""The proof for files that exist: every exported model beside what it came from."""
