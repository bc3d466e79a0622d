"""What is measured of predictions, beside the confusion matrix and from it."""
