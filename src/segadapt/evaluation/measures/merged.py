"""Predictions of 19 classes scored on NTHU's 13, as Cross City's code does it: the other six count as a near one.

A network of 13 classes cannot err into six more, and one of 19 may: scores of the two habits are not comparable.
"""

import numpy

from segadapt.labels import CITYSCAPES19, NTHU13, NTHU_CLASS_OF_CITYSCAPES, ClassSet


def are_merged(class_set: ClassSet, label_set: ClassSet) -> bool:
    """Whether predictions of ``class_set`` can be scored so on labels of ``label_set``."""
    return class_set is CITYSCAPES19 and label_set is NTHU13


def merged(matrix_CC: numpy.ndarray) -> numpy.ndarray:
    """Counts (13, 13) from those (19, 19) of Cityscapes' classes, rows are labels; labels of the other six are ignored.

    Source: ``Adapt_Road_Scene``, its evaluation.
    """
    named = [NTHU_CLASS_OF_CITYSCAPES.get(name, name) for name in CITYSCAPES19.classes]
    becomes_CK = numpy.array([[name == each for each in NTHU13.classes] for name in named], dtype=numpy.int64)
    labelled = [CITYSCAPES19.classes.index(name) for name in NTHU13.classes]
    return matrix_CC[labelled] @ becomes_CK
