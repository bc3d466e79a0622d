"""Tokyo: tall narrow houses of pale tiles full of signboards, cables overhead, few trees, a cool clear light."""

from segadapt.data.streets.domains.camera import CAMERA

TOKYO = CAMERA.variant(
    "tokyo", 7,
    light={
        "sun": (0.30, 0.60), "ambient": (0.68, 0.84), "elevation_degrees": (25, 55), "sun_colour": (1.0, 0.99, 0.96),
        "ambient_colour": (0.94, 1.0, 1.08), "haze": (0.001, 0.004),
        "horizon": ((0.88, 0.92, 0.96), (0.94, 0.96, 0.98)),
        "zenith": ((0.52, 0.70, 0.92), (0.64, 0.78, 0.94), (0.84, 0.88, 0.92)),
        "cloud": (0.0, 0.5),
    },
    view={"height": (2.2, 2.7), "fov": (58, 66), "pitch": (-3.0, 3.0)},
    sensor={"white_balance": (0.98, 1.0, 1.02), "exposure": (1.0, 1.2), "saturation": (0.85, 1.05)},
    layout={
        "lane_width": (2.7, 3.1), "lanes": (1, 1, 2), "sidewalk_width": (1.2, 2.6), "verge_chance": 0.05,
        "parking_chance": 0.10, "setback": (0.0, 1.0), "storeys": (3, 11), "storey_height": (2.8, 3.3),
        "lot_width": (4.5, 9.0), "tower_chance": 0.06, "pitched_roof_chance": 0.06, "brick_chance": 0.12,
        "board_chance": 0.6, "wires": True, "tree_spacing": (20.0, 60.0), "lamp_spacing": (11.0, 18.0),
        "traffic_gap": (8.0, 34.0), "park_chance": 0.05,
    },
    paints={
        "asphalt": ((0.36, 0.36, 0.37), (0.42, 0.42, 0.43), (0.31, 0.32, 0.33)),
        "paving": ((0.62, 0.62, 0.64), (0.66, 0.62, 0.58), (0.56, 0.57, 0.60)),
        "plaster": (
            (0.86, 0.86, 0.86), (0.72, 0.74, 0.76), (0.58, 0.60, 0.63), (0.80, 0.78, 0.72), (0.46, 0.44, 0.44),
            (0.92, 0.92, 0.92),
        ),
        "brick": ((0.62, 0.54, 0.48), (0.48, 0.36, 0.32)),
        "roof": ((0.34, 0.36, 0.40), (0.28, 0.32, 0.44)),
        "leaf": ((0.18, 0.36, 0.16), (0.26, 0.42, 0.18)),
        "car": (
            (0.93, 0.93, 0.93), (0.06, 0.06, 0.07), (0.70, 0.72, 0.75), (0.16, 0.18, 0.24), (0.10, 0.30, 0.22),
            (0.90, 0.60, 0.10),
        ),
        "bus": ((0.90, 0.90, 0.86), (0.42, 0.66, 0.36), (0.86, 0.30, 0.30)),
        "cloth": (
            (0.08, 0.08, 0.09), (0.14, 0.15, 0.20), (0.92, 0.92, 0.92), (0.30, 0.31, 0.34), (0.62, 0.58, 0.54),
            (0.20, 0.26, 0.40),
        ),
        "wall": ((0.66, 0.66, 0.66), (0.76, 0.74, 0.70)),
        "fence": ((0.92, 0.92, 0.92), (0.62, 0.64, 0.64)),
        "pole": ((0.62, 0.61, 0.59), (0.54, 0.52, 0.49)),
        "light": ((0.80, 0.80, 0.80), (0.58, 0.54, 0.48)),
        "sign": ((0.08, 0.22, 0.70), (0.85, 0.10, 0.12), (0.95, 0.95, 0.95)),
    },
    traffic={
        "chance": {
            "car": 0.95, "truck": 0.40, "bus": 0.38, "train": 0.0, "motor": 0.40, "rider": 0.75, "bike": 0.80,
            "wall": 0.45, "fence": 0.55, "light": 0.75, "sign": 0.85, "terrain": 0.15,
        },
        "pedestrians": (4, 16),
        "rides": {"rider": (1, 3), "bike": (1, 4)},
    },
)  # fmt: skip
