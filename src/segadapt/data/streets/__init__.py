"""The built-in data: street scenes that this package renders itself, in a game's and in a camera's look."""

from segadapt.data.streets.dataset import render_dataset
from segadapt.data.streets.domains import DOMAINS
from segadapt.data.streets.picture import render_scene
