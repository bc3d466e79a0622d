"""Rio: a steep hard sun, wooded rocks behind white blocks of flats, palms, bright clothes on pale mosaic pavements."""

from segadapt.data.streets.domains.camera import CAMERA

RIO = CAMERA.variant(
    "rio", 6,
    light={
        "sun": (0.68, 0.95), "ambient": (0.50, 0.62), "elevation_degrees": (50, 78), "sun_colour": (1.0, 0.98, 0.90),
        "ambient_colour": (0.90, 0.98, 1.10), "shadow": (0.52, 0.68), "haze": (0.0015, 0.004),
        "horizon": ((0.76, 0.88, 0.97), (0.84, 0.92, 0.97)),
        "zenith": ((0.16, 0.46, 0.86), (0.24, 0.54, 0.90)),
        "cloud": (0.2, 0.7),
    },
    view={"height": (2.2, 2.7), "fov": (60, 70), "pitch": (-4.0, 2.0)},
    sensor={
        "white_balance": (1.0, 1.0, 1.0), "exposure": (1.02, 1.22), "saturation": (1.0, 1.25), "vignette": (0.1, 0.2),
    },
    layout={
        "lane_width": (3.1, 3.6), "lanes": (1, 2, 2), "sidewalk_width": (2.6, 5.5), "verge_chance": 0.25,
        "setback": (0.0, 4.0), "storeys": (2, 12), "storey_height": (2.8, 3.2), "lot_width": (10.0, 22.0),
        "pitched_roof_chance": 0.08, "palm_chance": 0.45, "brick_chance": 0.15, "hill_chance": 0.8,
        "tree_spacing": (8.0, 20.0), "traffic_gap": (6.0, 24.0), "yellow_centre": True,
    },
    paints={
        "asphalt": ((0.42, 0.41, 0.40), (0.50, 0.48, 0.46), (0.46, 0.46, 0.46)),
        "paving": ((0.80, 0.78, 0.74), (0.72, 0.70, 0.66)),
        "grass": ((0.30, 0.50, 0.16), (0.40, 0.54, 0.20)),
        "plaster": (
            (0.94, 0.93, 0.90), (0.90, 0.86, 0.78), (0.95, 0.95, 0.95), (0.55, 0.76, 0.80), (0.92, 0.70, 0.66),
            (0.94, 0.84, 0.50),
        ),
        "brick": ((0.72, 0.42, 0.30), (0.66, 0.36, 0.26)),
        "roof": ((0.60, 0.42, 0.34), (0.62, 0.60, 0.58)),
        "leaf": ((0.14, 0.42, 0.10), (0.24, 0.50, 0.12), (0.10, 0.33, 0.12)),
        "car": (
            (0.92, 0.92, 0.91), (0.95, 0.80, 0.08), (0.66, 0.68, 0.70), (0.10, 0.10, 0.11), (0.70, 0.10, 0.10),
            (0.95, 0.80, 0.08),
        ),
        "bus": ((0.95, 0.60, 0.10), (0.20, 0.40, 0.76), (0.90, 0.90, 0.88), (0.22, 0.60, 0.30)),
        "cloth": (
            (0.95, 0.80, 0.10), (0.10, 0.56, 0.26), (0.92, 0.92, 0.90), (0.85, 0.16, 0.20), (0.12, 0.40, 0.80),
            (0.92, 0.45, 0.60),
        ),
        "wall": ((0.80, 0.60, 0.55), (0.45, 0.62, 0.76), (0.84, 0.82, 0.78)),
        "light": ((0.06, 0.07, 0.07), (0.86, 0.70, 0.10)),
    },
    traffic={
        "chance": {
            "car": 0.97, "truck": 0.25, "bus": 0.65, "train": 0.0, "motor": 0.60, "rider": 0.50, "bike": 0.45,
            "wall": 0.65, "fence": 0.65, "light": 0.65, "sign": 0.65, "terrain": 0.45,
        },
        "pedestrians": (5, 18),
        "rides": {"motor": (1, 3)},
    },
)  # fmt: skip
