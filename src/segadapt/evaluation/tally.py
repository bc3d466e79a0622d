"""Confusion matrices of many images, kept where they are counted until all of them are wanted.

To look at a number is to wait for a GPU. So what may be wrong with an image, logits that are not finite and foreign
labels, is noted on the device and looked at once in a while.
"""

from typing import NamedTuple

import numpy
import torch
from torch import Tensor

from segadapt.core.errors import UserError
from segadapt.core.scoring_mode import ScoringMode
from segadapt.evaluation.pairs import count_pairs
from segadapt.evaluation.predict import NOT_FINITE
from segadapt.evaluation.waiting import on_host
from segadapt.labels import IGNORE_INDEX

CHECK_EVERY = 64
"""Matrices that a GPU counts between two looks at them; a CPU's are looked at one by one."""


class _Noted(NamedTuple):
    image: str
    finite: Tensor
    """Whether the logits are: a truth value on their device."""
    foreign_F: Tensor
    """Pixels with each label between the classes and ``IGNORE_INDEX``."""


class Tally:
    """Counts of (label, prediction) pixel pairs of each image by mode, without those labelled ``IGNORE_INDEX``.

    Args:
        num_classes: C, at most 255.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self._matrices: dict[ScoringMode, list[Tensor]] = {}
        self._noted: list[_Noted] = []

    def add(
        self, image: str, mode: ScoringMode, label_HW: numpy.ndarray, prediction_HW: Tensor, finite: Tensor
    ) -> None:
        """Counts one map: uint8 train ids, and uint8 labels of the same size predicted from logits that are ``finite``.

        Raises:
            UserError: as ``check``, now and then.
        """
        assert label_HW.dtype == numpy.uint8 and label_HW.shape == tuple(prediction_HW.shape)
        # The copy of a byte map costs little and makes memory that torch may share.
        known_HW = torch.from_numpy(label_HW.copy())
        if prediction_HW.is_cuda:
            # From other memory than this a GPU is waited for.
            known_HW = known_HW.pin_memory()
        counts = count_pairs(known_HW, prediction_HW, self.num_classes)
        self._matrices.setdefault(mode, []).append(counts[: self.num_classes].clone())
        self._noted.append(_Noted(image, finite, counts[self.num_classes : IGNORE_INDEX].sum(dim=1)))
        if on_host(prediction_HW) or len(self._noted) >= CHECK_EVERY:
            self.check()

    def check(self) -> None:
        """UserError for an image since the last look whose logits were not finite or labels out of range."""
        noted, self._noted = self._noted, []
        if not noted:
            return
        finite_N = torch.stack([each.finite for each in noted]).tolist()
        foreign_NF = torch.stack([each.foreign_F for each in noted]).cpu().numpy()
        for each, finite, foreign_F in zip(noted, finite_N, foreign_NF, strict=True):
            if not finite:
                raise UserError(f"image {each.image}: {NOT_FINITE}")
            if foreign_F.any():
                raise UserError(
                    f"image {each.image}: label value {self.num_classes + foreign_F.argmax()} is outside the classes "
                    f"0..{self.num_classes - 1} and is not ignore_index {IGNORE_INDEX}; map the labels to train ids"
                )

    def matrices(self) -> dict[ScoringMode, numpy.ndarray]:
        """int64 (N, C, C) by mode: rows are labels, columns predictions. UserError as ``check``."""
        self.check()
        return {mode: torch.stack(each).cpu().numpy() for mode, each in self._matrices.items()}
