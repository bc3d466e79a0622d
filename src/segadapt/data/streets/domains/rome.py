"""Rome: low ochre houses under tiled roofs, dark cobbles, umbrella pines, a warm low sun in a deep blue sky."""

from segadapt.data.streets.domains.camera import CAMERA

ROME = CAMERA.variant(
    "rome", 5,
    light={
        "sun": (0.50, 0.78), "ambient": (0.56, 0.70), "elevation_degrees": (18, 48), "sun_colour": (1.0, 0.92, 0.76),
        "shadow": (0.40, 0.58), "haze": (0.001, 0.004),
        "horizon": ((0.86, 0.88, 0.88), (0.93, 0.86, 0.74), (0.80, 0.87, 0.93)),
        "zenith": ((0.28, 0.48, 0.80), (0.36, 0.55, 0.84), (0.44, 0.58, 0.80)),
        "cloud": (0.1, 0.6),
    },
    view={"height": (2.1, 2.6), "fov": (58, 68), "pitch": (-5.0, 0.5)},
    sensor={"white_balance": (1.03, 1.0, 0.94), "exposure": (1.05, 1.25), "saturation": (0.85, 1.05)},
    layout={
        "lane_width": (2.7, 3.2), "lanes": (1, 1, 2), "sidewalk_width": (1.6, 3.0), "verge_chance": 0.15,
        "parking_chance": 0.75, "setback": (0.0, 1.5), "storeys": (2, 5), "storey_height": (3.2, 4.0),
        "lot_width": (9.0, 18.0), "pitched_roof_chance": 0.85, "brick_chance": 0.10, "pine_chance": 0.60,
        "tree_spacing": (9.0, 22.0), "lamp_spacing": (24.0, 36.0), "traffic_gap": (7.0, 28.0),
    },
    paints={
        "asphalt": ((0.30, 0.29, 0.29), (0.36, 0.35, 0.34), (0.26, 0.25, 0.26)),
        "paving": ((0.50, 0.47, 0.44), (0.58, 0.54, 0.49)),
        "kerb": ((0.72, 0.70, 0.66),),
        "plaster": ((0.86, 0.66, 0.40), (0.82, 0.60, 0.42), (0.78, 0.52, 0.38), (0.90, 0.78, 0.56), (0.84, 0.72, 0.60)),
        "brick": ((0.62, 0.40, 0.28), (0.56, 0.36, 0.26)),
        "roof": ((0.66, 0.36, 0.22), (0.58, 0.32, 0.22), (0.70, 0.44, 0.28)),
        "leaf": ((0.16, 0.30, 0.12), (0.22, 0.34, 0.16), (0.30, 0.36, 0.20)),
        "bus": ((0.72, 0.14, 0.12), (0.80, 0.30, 0.10), (0.60, 0.60, 0.62)),
        "train": ((0.16, 0.42, 0.26), (0.80, 0.46, 0.12)),
        "wall": ((0.66, 0.48, 0.32), (0.60, 0.46, 0.36), (0.70, 0.60, 0.48)),
        "pole": ((0.16, 0.17, 0.17), (0.34, 0.36, 0.34)),
        "paving_texture": "cobble", "road_texture": "cobble",
    },
    traffic={
        "chance": {
            "car": 0.97, "truck": 0.25, "bus": 0.45, "train": 0.20, "motor": 0.70, "rider": 0.45, "bike": 0.40,
            "wall": 0.60, "fence": 0.40, "light": 0.65, "sign": 0.75, "terrain": 0.30,
        },
        "rides": {"motor": (1, 4)},
    },
)  # fmt: skip
