"""The scorecard: what the warranty of books is measured by, a row each, on any machine."""
