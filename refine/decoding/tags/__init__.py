"""Associative embedding: joints of one person share a tag."""
