"""The page that shows a run: one file, without any request, for whatever tables it is made of."""
