"""segadapt: unsupervised domain adaptation for semantic segmentation as one traceable pipeline."""

__version__ = "0.1.0"
