"""The designs of "Designing Python Web Servers": to learn and to compare with, not to deploy."""
