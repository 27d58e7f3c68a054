"""The commands of `graft`, one noun a file; each imports what it needs when it runs."""
