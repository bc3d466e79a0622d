"""Draws docs/images/digits.png, the built-in digits: four of each class in each look.

python docs/images/digits.py
"""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from segadapt.core.seeding import generator
from segadapt.data.digits import LOOKS
from segadapt.data.digits.dealing import deal

SIDE, GAP, ROWS = 32, 4, 2
SEED = 0


def main() -> None:
    """Two rows of two digits a class for each domain, as a folder of 599 a domain holds them, at twice the size."""
    bundled = load_digits()
    dealt = deal(bundled.target, dict.fromkeys(LOOKS, 599), SEED)
    rows = []
    for look, indices in dealt.items():
        by_class = [[index for index in indices if bundled.target[index] == label] for label in range(10)]
        for row in range(ROWS):
            chosen = [by_class[label][2 * row + turn] for label in range(10) for turn in range(2)]
            rows.append(
                [
                    LOOKS[look](bundled.images[index] / 16, (SIDE, SIDE), generator(SEED, "digits", look, index))
                    for index in chosen
                ]
            )
    step, apart = SIDE + GAP, 2 * GAP
    height = len(rows) * step + (len(LOOKS) - 1) * apart + GAP
    sheet = Image.new("RGB", (len(rows[0]) * step + GAP, height), "white")
    for number, row in enumerate(rows):
        for column, picture in enumerate(row):
            sheet.paste(picture, (GAP + column * step, GAP + number * step + number // ROWS * apart))
    doubled = sheet.resize((2 * sheet.width, 2 * sheet.height), Image.Resampling.NEAREST)
    doubled.save(Path(__file__).with_suffix(".png"), optimize=True)
    print(np.asarray(doubled).shape)


if __name__ == "__main__":
    main()
