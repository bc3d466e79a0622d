"""The synthetic city: SYNTHIA's stand-in. As bright as the game, but seen from everywhere and full of people.

SYNTHIA's authors put their camera anywhere in the city and let the seasons turn; they know no truck and no train.
"""

from segadapt.data.streets.domains.game import GAME

SYNTHIA = GAME.variant(
    "synthia", 4,
    light={
        "sun": (0.30, 0.85), "ambient": (0.55, 0.80), "elevation_degrees": (20, 75), "sun_colour": (1.0, 0.98, 0.92),
        "shadow": (0.30, 0.50), "haze": (0.0005, 0.003),
        "horizon": ((0.90, 0.95, 1.0), (0.72, 0.86, 0.99), (0.98, 0.93, 0.86)),
        "zenith": ((0.40, 0.66, 0.98), (0.30, 0.58, 0.95), (0.62, 0.74, 0.92)),
    },
    view={"height": (1.2, 4.6), "fov": (62, 88), "pitch": (-17.0, 3.0), "yaw_spread": 13.0, "offset": 1.3},
    sensor={"exposure": (0.98, 1.15), "white_balance": (0.99, 1.0, 1.04), "saturation": (0.95, 1.30), "glow": 0.0},
    layout={
        "lane_width": (3.0, 3.6), "lanes": (1, 2, 2), "sidewalk_width": (3.0, 6.0), "setback": (0.0, 3.0),
        "storeys": (2, 8), "storey_height": (2.8, 3.6), "lot_width": (9.0, 20.0), "tower_chance": 0.12,
        "palm_chance": 0.08, "bare_chance": 0.22, "pitched_roof_chance": 0.35, "brick_chance": 0.45,
        "tree_spacing": (7.0, 18.0), "traffic_gap": (9.0, 34.0), "yellow_centre": False,
    },
    paints={
        "asphalt": ((0.26, 0.26, 0.30), (0.33, 0.33, 0.36), (0.22, 0.23, 0.26)),
        "paving": ((0.72, 0.58, 0.50), (0.62, 0.60, 0.66), (0.78, 0.74, 0.66)),
        "kerb": ((0.82, 0.82, 0.84),),
        "grass": ((0.24, 0.56, 0.14), (0.34, 0.62, 0.16)),
        "plaster": (
            (0.92, 0.88, 0.76), (0.88, 0.70, 0.58), (0.70, 0.78, 0.88), (0.94, 0.94, 0.94), (0.80, 0.84, 0.66),
        ),
        "brick": ((0.74, 0.38, 0.26), (0.66, 0.30, 0.22), (0.80, 0.62, 0.44)),
        "leaf": ((0.16, 0.50, 0.12), (0.30, 0.56, 0.14), (0.74, 0.46, 0.12), (0.12, 0.40, 0.18)),
        "pole": ((0.30, 0.32, 0.34), (0.62, 0.64, 0.66)),
        "sign": ((0.92, 0.10, 0.10), (0.08, 0.25, 0.80), (0.95, 0.95, 0.95)),
        "paving_texture": "tile",
    },
    traffic={
        "chance": {
            "car": 0.95, "truck": 0.0, "bus": 0.55, "train": 0.0, "motor": 0.75, "rider": 0.80, "bike": 0.65,
            "wall": 0.40, "fence": 0.60, "light": 0.70, "sign": 0.75, "terrain": 0.0,
        },
        "pedestrians": (8, 24),
    },
)  # fmt: skip
