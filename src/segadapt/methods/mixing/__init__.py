"""What methods since 2019 are made of: a teacher and its labels, mixed images, and masks."""
