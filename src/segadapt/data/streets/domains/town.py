"""The town: a source for real photographs of British streets, as CamVid's, as varied as a renderer can make them.

What is known of the target is what anyone sees in its unlabelled pictures: brick and rendered terraces close to
narrow streets, trees without leaves, skies from burnt-out white over grey to blue, full sun and dusk. Where the
target's own spread is not known the ranges are wide on purpose: real light should be one more variation.
"""

from segadapt.data.streets.domains.kinds import Domain, Layout, Light, Paints, Sensor, Traffic, View

TOWN = Domain(
    name="town",
    number=3,
    light=Light(
        sun=(0.0, 0.65),
        ambient=(0.42, 0.85),
        elevation_degrees=(12, 50),
        sun_colour=(1.0, 0.95, 0.85),
        ambient_colour=(0.95, 1.0, 1.06),
        shadow=(0.20, 0.60),
        haze=(0.0005, 0.008),
        horizon=(
            (0.99, 0.99, 0.99), (0.93, 0.94, 0.95), (0.97, 0.96, 0.93), (0.78, 0.80, 0.82), (0.84, 0.90, 0.97),
            (0.90, 0.84, 0.76),
        ),
        zenith=(
            (0.97, 0.98, 0.99), (0.86, 0.88, 0.90), (0.70, 0.73, 0.77), (0.55, 0.60, 0.66), (0.45, 0.62, 0.85),
            (0.30, 0.50, 0.82),
        ),
        cloud=(0.0, 1.0),
    ),
    view=View(height=(1.15, 1.75), fov=(50, 68), pitch=(-5.0, 2.5), yaw_spread=5.0),
    sensor=Sensor(
        blur=(0.0, 0.16),
        chromatic=0.0012,
        vignette=(0.0, 0.30),
        exposure=(0.55, 1.50),
        white_balance=(1.0, 1.0, 1.0),
        white_balance_spread=0.06,
        saturation=(0.45, 1.25),
        gamma=(0.75, 1.20),
        black=0.01,
        shot_noise=(0.0, 0.025),
        read_noise=(0.0, 0.012),
        glow=0.05,
    ),
    layout=Layout(
        lane_width=(2.7, 3.6),
        lanes=(1, 1, 1, 2),
        sidewalk_width=(1.3, 4.0),
        verge_chance=0.15,
        parking_chance=0.40,
        crossing_chance=0.45,
        setback=(0.0, 4.5),
        storeys=(2, 4),
        storey_height=(2.7, 3.5),
        lot_width=(5.5, 17.0),
        tower_chance=0.02,
        pitched_roof_chance=0.60,
        palm_chance=0.0,
        bare_chance=0.60,
        brick_chance=0.50,
        tree_spacing=(9.0, 34.0),
        lamp_spacing=(13.0, 28.0),
        traffic_gap=(9.0, 48.0),
        park_chance=0.24,
        yellow_centre=False,
    ),
    paints=Paints(
        asphalt=(
            (0.20, 0.20, 0.21), (0.27, 0.27, 0.28), (0.34, 0.34, 0.35), (0.41, 0.41, 0.42), (0.48, 0.47, 0.46),
            (0.36, 0.33, 0.31),
        ),
        paving=(
            (0.34, 0.34, 0.35), (0.42, 0.41, 0.40), (0.52, 0.50, 0.48), (0.60, 0.57, 0.53), (0.48, 0.40, 0.36),
            (0.66, 0.64, 0.62),
        ),
        kerb=((0.60, 0.60, 0.60), (0.45, 0.45, 0.45), (0.72, 0.72, 0.70)),
        grass=((0.30, 0.38, 0.18), (0.38, 0.42, 0.22), (0.26, 0.34, 0.16), (0.44, 0.42, 0.28)),
        plaster=(
            (0.86, 0.85, 0.82), (0.78, 0.74, 0.64), (0.70, 0.70, 0.70), (0.62, 0.55, 0.45), (0.50, 0.48, 0.46),
            (0.36, 0.34, 0.33), (0.24, 0.24, 0.26), (0.72, 0.62, 0.48), (0.58, 0.62, 0.66),
        ),
        brick=(
            (0.55, 0.32, 0.25), (0.48, 0.28, 0.22), (0.62, 0.50, 0.38), (0.66, 0.58, 0.44), (0.40, 0.30, 0.27),
            (0.34, 0.24, 0.20),
        ),
        roof=((0.28, 0.26, 0.26), (0.36, 0.30, 0.28), (0.45, 0.26, 0.20), (0.42, 0.42, 0.44)),
        leaf=(
            (0.22, 0.32, 0.14), (0.16, 0.25, 0.12), (0.30, 0.36, 0.18), (0.12, 0.18, 0.10), (0.34, 0.30, 0.18),
            (0.30, 0.24, 0.18),
        ),
        car=(
            (0.06, 0.06, 0.07), (0.12, 0.12, 0.14), (0.24, 0.25, 0.27), (0.48, 0.49, 0.51), (0.66, 0.68, 0.70),
            (0.88, 0.88, 0.87), (0.10, 0.14, 0.34), (0.16, 0.28, 0.50), (0.52, 0.08, 0.08), (0.70, 0.12, 0.10),
            (0.12, 0.26, 0.18), (0.62, 0.56, 0.40),
        ),
        bus=((0.68, 0.12, 0.12), (0.15, 0.30, 0.60), (0.86, 0.86, 0.85), (0.88, 0.78, 0.30), (0.20, 0.45, 0.40)),
        truck=((0.90, 0.90, 0.89), (0.88, 0.88, 0.86), (0.20, 0.32, 0.58), (0.70, 0.16, 0.12), (0.50, 0.50, 0.52)),
        train=((0.70, 0.72, 0.76), (0.62, 0.20, 0.18)),
        cloth=(
            (0.07, 0.07, 0.08), (0.12, 0.13, 0.16), (0.20, 0.22, 0.30), (0.28, 0.28, 0.28), (0.40, 0.36, 0.32),
            (0.62, 0.60, 0.58), (0.45, 0.14, 0.16), (0.16, 0.28, 0.45), (0.84, 0.82, 0.80), (0.75, 0.60, 0.15),
        ),
        wall=((0.55, 0.34, 0.28), (0.60, 0.52, 0.42), (0.54, 0.53, 0.52), (0.36, 0.34, 0.33), (0.70, 0.68, 0.64)),
        fence=((0.10, 0.11, 0.11), (0.24, 0.26, 0.25), (0.44, 0.45, 0.45), (0.40, 0.30, 0.22), (0.62, 0.63, 0.64)),
        pole=((0.12, 0.13, 0.13), (0.28, 0.30, 0.30), (0.42, 0.43, 0.44), (0.58, 0.59, 0.60), (0.34, 0.27, 0.20)),
        light=((0.06, 0.06, 0.07), (0.10, 0.10, 0.10)),
        sign=(
            (0.10, 0.25, 0.62), (0.78, 0.12, 0.12), (0.90, 0.90, 0.88), (0.90, 0.76, 0.14), (0.10, 0.36, 0.22),
            (0.70, 0.70, 0.70), (0.12, 0.12, 0.14),
        ),
        paving_texture="paving",
        road_texture="asphalt",
    ),
    traffic=Traffic(
        chance={
            "car": 0.97, "truck": 0.22, "bus": 0.20, "train": 0.02, "motor": 0.25, "rider": 0.65, "bike": 0.50,
            "wall": 0.55, "fence": 0.70, "light": 0.65, "sign": 0.85, "terrain": 0.20,
        },
        pedestrians=(3, 14),
    ),
)  # fmt: skip
