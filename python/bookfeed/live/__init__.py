"""Live connections: opened, kept, judged without data, and their books recovered."""
