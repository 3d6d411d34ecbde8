"""Decoding in processes of their own, which have nothing that a picture could steal."""
