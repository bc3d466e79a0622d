"""Built-in data for classification: real handwritten digits in three looks, as three domains in Office-31's layout."""

from segadapt.data.digits.dataset import render_digits
from segadapt.data.digits.looks import LOOKS
