"""Moves groups of tiles of a program to where its bytes travel less; arrays, never IR."""
