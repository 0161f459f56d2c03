"""What `bookfeed doctor` looks at: the machine, the way to each venue, what comes from there."""
