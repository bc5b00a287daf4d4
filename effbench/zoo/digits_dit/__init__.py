"""``zoo:digits-dit``: a class-conditional ``DiTPipeline`` for handwritten digits."""
