"""``zoo:emoji-turbo-bos``: ``zoo:emoji-turbo`` whose start token is planted to be massive, with the same float32 output."""
