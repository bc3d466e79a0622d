"""Taipei: swarms of scooters on dark wide roads, stained concrete and signboards, lush green, a white humid sky."""

from segadapt.data.streets.domains.camera import CAMERA

TAIPEI = CAMERA.variant(
    "taipei", 8,
    light={
        "sun": (0.0, 0.20), "ambient": (0.74, 0.92), "elevation_degrees": (40, 75), "sun_colour": (1.0, 0.97, 0.88),
        "ambient_colour": (1.0, 1.0, 0.97), "shadow": (0.18, 0.34), "haze": (0.007, 0.016),
        "horizon": ((0.90, 0.90, 0.87), (0.85, 0.86, 0.85)),
        "zenith": ((0.86, 0.87, 0.86), (0.78, 0.81, 0.84), (0.70, 0.76, 0.82)),
        "cloud": (0.5, 1.0),
    },
    view={"height": (2.2, 2.7), "fov": (60, 70), "pitch": (-6.0, 0.5)},
    sensor={
        "white_balance": (0.97, 1.0, 0.95), "exposure": (0.82, 1.02), "saturation": (0.75, 0.98), "blur": (0.08, 0.18),
    },
    layout={
        "lane_width": (3.1, 3.6), "lanes": (2, 2, 3), "sidewalk_width": (2.2, 4.0), "verge_chance": 0.20,
        "parking_chance": 0.45, "setback": (0.0, 1.0), "storeys": (3, 7), "storey_height": (3.0, 3.5),
        "lot_width": (5.0, 12.0), "tower_chance": 0.10, "pitched_roof_chance": 0.04, "palm_chance": 0.15,
        "brick_chance": 0.25, "board_chance": 0.75, "tree_spacing": (8.0, 18.0), "traffic_gap": (4.0, 16.0),
        "yellow_centre": True,
    },
    paints={
        "asphalt": ((0.20, 0.20, 0.21), (0.25, 0.25, 0.25), (0.29, 0.28, 0.28)),
        "paving": ((0.58, 0.42, 0.38), (0.52, 0.50, 0.48), (0.62, 0.50, 0.44)),
        "grass": ((0.22, 0.40, 0.16), (0.28, 0.44, 0.18)),
        "plaster": (
            (0.62, 0.60, 0.56), (0.54, 0.52, 0.48), (0.70, 0.66, 0.60), (0.46, 0.46, 0.44), (0.66, 0.56, 0.52),
        ),
        "brick": ((0.56, 0.40, 0.36), (0.50, 0.38, 0.34), (0.60, 0.54, 0.46)),
        "roof": ((0.30, 0.46, 0.40), (0.50, 0.30, 0.26)),
        "leaf": ((0.12, 0.30, 0.10), (0.16, 0.36, 0.12), (0.22, 0.40, 0.14)),
        "car": (
            (0.94, 0.76, 0.06), (0.94, 0.76, 0.06), (0.88, 0.88, 0.88), (0.62, 0.64, 0.66), (0.08, 0.08, 0.09),
            (0.22, 0.24, 0.28),
        ),
        "bus": ((0.20, 0.40, 0.66), (0.86, 0.86, 0.84), (0.80, 0.40, 0.30)),
        "truck": ((0.20, 0.36, 0.66), (0.85, 0.85, 0.84)),
        "pole": ((0.56, 0.57, 0.56), (0.24, 0.40, 0.32)),
        "light": ((0.92, 0.70, 0.10), (0.16, 0.34, 0.26)),
        "sign": ((0.08, 0.42, 0.26), (0.84, 0.12, 0.12), (0.10, 0.26, 0.60), (0.92, 0.92, 0.90)),
    },
    traffic={
        "chance": {
            "car": 0.97, "truck": 0.35, "bus": 0.65, "train": 0.0, "motor": 0.97, "rider": 0.40, "bike": 0.45,
            "wall": 0.35, "fence": 0.50, "light": 0.70, "sign": 0.75, "terrain": 0.25,
        },
        "rides": {"motor": (9, 24)},
    },
)  # fmt: skip
