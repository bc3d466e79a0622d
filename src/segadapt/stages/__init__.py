"""One thin script a stage: read the card, call the library, write the outputs."""
