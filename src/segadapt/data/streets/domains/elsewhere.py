"""Elsewhere: no place twice. Every scene has a light, a lens, a street and colours of its own.

The stand-in for the photographs of all the world on which a network learns to see before it is shown a street of the
source. All numbers are drawn from wide ranges that were written down without regard to any other domain.
"""

import colorsys
from dataclasses import replace

import numpy as np

from segadapt.data.streets.domains.kinds import Domain, Layout, Light, Paints, Palette, Range, Sensor, Traffic, View

_GREEN, _ANY, _BLUE = (0.12, 0.45), (0.0, 1.0), (0.48, 0.72)
"""Hues, as shares of the colour circle."""
_PAVING_TEXTURES, _ROAD_TEXTURES = ("paving", "tile", "cobble", "plain"), ("asphalt", "asphalt", "plain", "cobble")
_NUMBER = 9


def _number(rng: np.random.Generator, low: float, high: float) -> Range:
    value = float(rng.uniform(low, high))
    return (value, value)


def _colours(rng: np.random.Generator, count: int, value: Range, saturation: float, hue: Range = _ANY) -> Palette:
    """So many colours, their brightness in a range, their saturation up to a limit and mostly below."""
    made = []
    for _ in range(count):
        share = float(rng.uniform(0, 1)) ** 1.5 * saturation
        made.append(colorsys.hsv_to_rgb(float(rng.uniform(*hue)), share, float(rng.uniform(*value))))
    return tuple(made)


def _light(rng: np.random.Generator) -> Light:
    warmth = float(rng.uniform(-0.12, 0.12))
    return Light(
        sun=_number(rng, 0.05, 0.95),
        ambient=_number(rng, 0.40, 0.90),
        elevation_degrees=_number(rng, 12, 80),
        sun_colour=(1.0 + warmth / 2, 1.0, 1.0 - warmth),
        ambient_colour=(1.0 - warmth, 1.0, 1.0 + warmth),
        shadow=_number(rng, 0.15, 0.70),
        haze=_number(rng, 0.0005, 0.012),
        horizon=_colours(rng, 1, (0.70, 1.0), 0.35),
        zenith=_colours(rng, 1, (0.45, 1.0), 0.80, _BLUE if rng.random() < 0.7 else _ANY),
        cloud=_number(rng, 0.0, 1.0),
    )


def _sensor(rng: np.random.Generator) -> Sensor:
    noisy = float(rng.random() < 0.5)
    balance = rng.uniform(-0.08, 0.08, 2)
    return Sensor(
        blur=_number(rng, 0.0, 0.2),
        chromatic=float(rng.uniform(0, 0.003)),
        vignette=_number(rng, 0.0, 0.4),
        exposure=_number(rng, 0.75, 1.35),
        white_balance=(1.0 + float(balance[0]), 1.0, 1.0 + float(balance[1])),
        white_balance_spread=0.0,
        saturation=_number(rng, 0.5, 1.4),
        gamma=_number(rng, 0.8, 1.25),
        black=float(rng.uniform(0, 0.05)),
        shot_noise=_number(rng, 0.0, 0.03 * noisy),
        read_noise=_number(rng, 0.0, 0.012),
        glow=float(rng.uniform(0, 0.3)) * float(rng.random() < 0.3),
    )


def _layout(rng: np.random.Generator) -> Layout:
    low = int(rng.integers(1, 7))
    spacing, gap, lot = rng.uniform(7, 22), rng.uniform(5, 14), rng.uniform(7, 16)
    return Layout(
        lane_width=_number(rng, 2.6, 4.2),
        lanes=(int(rng.integers(1, 4)),),
        sidewalk_width=_number(rng, 1.2, 6.5),
        verge_chance=float(rng.uniform(0, 0.8)),
        parking_chance=float(rng.uniform(0, 0.8)),
        crossing_chance=float(rng.uniform(0.1, 0.6)),
        setback=_number(rng, 0.0, 7.0),
        storeys=(low, low + int(rng.integers(1, 9))),
        storey_height=_number(rng, 2.6, 3.8),
        lot_width=(float(lot), float(lot * 1.9)),
        tower_chance=float(rng.uniform(0, 0.4)),
        pitched_roof_chance=float(rng.uniform(0, 1)),
        palm_chance=float(rng.uniform(0, 0.4)),
        bare_chance=float(rng.uniform(0, 0.3)),
        brick_chance=float(rng.uniform(0, 0.7)),
        tree_spacing=(float(spacing), float(spacing * 2)),
        lamp_spacing=(float(spacing * 1.3), float(spacing * 2)),
        traffic_gap=(float(gap), float(gap * 3)),
        park_chance=float(rng.uniform(0, 0.35)),
        yellow_centre=bool(rng.random() < 0.5),
        pine_chance=float(rng.uniform(0, 0.25)),
        board_chance=float(rng.uniform(0, 0.4)),
        hill_chance=float(rng.uniform(0, 0.4)),
        wires=bool(rng.random() < 0.3),
    )


def _paints(rng: np.random.Generator) -> Paints:
    return Paints(
        asphalt=_colours(rng, 2, (0.18, 0.65), 0.25),
        paving=_colours(rng, 2, (0.30, 0.90), 0.45),
        kerb=_colours(rng, 1, (0.40, 0.90), 0.2),
        grass=_colours(rng, 2, (0.25, 0.65), 0.85, _GREEN),
        plaster=_colours(rng, 5, (0.35, 1.0), 0.7),
        brick=_colours(rng, 3, (0.30, 0.80), 0.7),
        roof=_colours(rng, 3, (0.15, 0.75), 0.7),
        leaf=_colours(rng, 3, (0.18, 0.65), 0.85, _GREEN if rng.random() < 0.8 else _ANY),
        car=_colours(rng, 7, (0.05, 1.0), 1.0),
        bus=_colours(rng, 3, (0.20, 1.0), 1.0),
        truck=_colours(rng, 4, (0.15, 1.0), 1.0),
        train=_colours(rng, 3, (0.15, 1.0), 1.0),
        cloth=_colours(rng, 7, (0.05, 1.0), 1.0),
        wall=_colours(rng, 3, (0.30, 0.90), 0.6),
        fence=_colours(rng, 3, (0.10, 0.85), 0.6),
        pole=_colours(rng, 3, (0.10, 0.85), 0.4),
        light=_colours(rng, 2, (0.04, 0.9), 0.8),
        sign=_colours(rng, 4, (0.10, 1.0), 1.0),
        paving_texture=_PAVING_TEXTURES[int(rng.integers(4))],
        road_texture=_ROAD_TEXTURES[int(rng.integers(4))],
    )


_COMMON = ("car", "truck", "bus", "train", "motor", "rider", "bike", "wall", "fence", "light", "sign", "terrain")


def _place(number: int) -> Domain:
    rng = np.random.default_rng([_NUMBER, number])
    low = float(rng.uniform(1.2, 2.8))
    return Domain(
        name="elsewhere",
        number=_NUMBER,
        light=_light(rng),
        view=View(height=(low, low), fov=_number(rng, 48, 85), pitch=_number(rng, -8, 2), yaw_spread=6.0, offset=0.7),
        sensor=_sensor(rng),
        layout=_layout(rng),
        paints=_paints(rng),
        traffic=Traffic({kind: float(rng.uniform(0.5, 0.95)) for kind in _COMMON}, (4, 20)),
    )


ELSEWHERE = replace(_place(0), place_of=_place)
