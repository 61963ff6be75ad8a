"""Pages for people: text, tables and images as one HTML file and as Markdown."""
