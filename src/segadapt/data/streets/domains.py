"""The two domains in numbers: what differs between the game and the camera, and by how much."""

from dataclasses import dataclass

from segadapt.core.errors import UserError

Range = tuple[float, float]
Palette = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class Light:
    """Sun, sky and air. Strengths multiply albedo; colours are 0..1; haze is extinction per metre."""

    sun: Range
    ambient: Range
    elevation_degrees: Range
    sun_colour: tuple[float, float, float]
    ambient_colour: tuple[float, float, float]
    shadow: Range
    haze: Range
    horizon: Palette
    zenith: Palette
    cloud: Range


@dataclass(frozen=True)
class View:
    """The camera: height and distances in metres, angles in degrees (horizontal field of view)."""

    height: Range
    fov: Range
    pitch: Range
    yaw_spread: float


@dataclass(frozen=True)
class Sensor:
    """Lens and electronics, in the order in which they act on the picture."""

    blur: Range
    chromatic: float
    vignette: Range
    exposure: Range
    white_balance: tuple[float, float, float]
    white_balance_spread: float
    saturation: Range
    gamma: Range
    black: float
    shot_noise: Range
    read_noise: Range
    glow: float


@dataclass(frozen=True)
class Layout:
    """Street and lots; widths and heights in metres, chances 0..1."""

    lane_width: Range
    lanes: tuple[int, ...]
    sidewalk_width: Range
    verge_chance: float
    parking_chance: float
    crossing_chance: float
    setback: Range
    storeys: tuple[int, int]
    storey_height: Range
    lot_width: Range
    tower_chance: float
    pitched_roof_chance: float
    palm_chance: float
    tree_spacing: Range
    lamp_spacing: Range
    traffic_gap: Range
    park_chance: float
    yellow_centre: bool


@dataclass(frozen=True)
class Paints:
    """Albedo palettes, 0..1."""

    asphalt: Palette
    paving: Palette
    kerb: Palette
    grass: Palette
    plaster: Palette
    brick: Palette
    roof: Palette
    leaf: Palette
    car: Palette
    bus: Palette
    truck: Palette
    train: Palette
    cloth: Palette
    wall: Palette
    fence: Palette
    pole: Palette
    light: Palette
    sign: Palette
    paving_texture: str
    road_texture: str


@dataclass(frozen=True)
class Traffic:
    """Chance that a scene shows at least one such thing near the camera, and mean numbers of people."""

    chance: dict[str, float]
    pedestrians: Range


@dataclass(frozen=True)
class Domain:
    name: str
    number: int
    light: Light
    view: View
    sensor: Sensor
    layout: Layout
    paints: Paints
    traffic: Traffic


GAME = Domain(
    name="game",
    number=1,
    light=Light(
        sun=(0.48, 0.75),
        ambient=(0.48, 0.60),
        elevation_degrees=(28, 65),
        sun_colour=(1.0, 0.95, 0.82),
        ambient_colour=(0.90, 0.97, 1.10),
        shadow=(0.45, 0.58),
        haze=(0.001, 0.005),
        horizon=((0.78, 0.87, 0.96), (0.92, 0.86, 0.74), (0.70, 0.84, 0.97)),
        zenith=((0.20, 0.45, 0.85), (0.30, 0.50, 0.80), (0.14, 0.38, 0.80)),
        cloud=(0.2, 0.9),
    ),
    view=View(height=(1.5, 2.2), fov=(60, 70), pitch=(-4.0, 0.5), yaw_spread=4.0),
    sensor=Sensor(
        blur=(0.0, 0.0),
        chromatic=0.0,
        vignette=(0.0, 0.06),
        exposure=(0.94, 1.08),
        white_balance=(1.03, 1.0, 0.96),
        white_balance_spread=0.015,
        saturation=(1.0, 1.22),
        gamma=(0.95, 1.08),
        black=0.0,
        shot_noise=(0.0, 0.0),
        read_noise=(0.002, 0.006),
        glow=0.10,
    ),
    layout=Layout(
        lane_width=(3.3, 3.8),
        lanes=(2, 2, 3),
        sidewalk_width=(2.6, 4.4),
        verge_chance=0.45,
        parking_chance=0.40,
        crossing_chance=0.45,
        setback=(0.0, 7.0),
        storeys=(1, 5),
        storey_height=(3.2, 4.0),
        lot_width=(11.0, 24.0),
        tower_chance=0.22,
        pitched_roof_chance=0.12,
        palm_chance=0.5,
        tree_spacing=(11.0, 30.0),
        lamp_spacing=(22.0, 34.0),
        traffic_gap=(5.0, 22.0),
        park_chance=0.14,
        yellow_centre=True,
    ),
    paints=Paints(
        asphalt=((0.36, 0.36, 0.37), (0.42, 0.41, 0.40), (0.31, 0.31, 0.33)),
        paving=((0.68, 0.66, 0.61), (0.62, 0.62, 0.62), (0.72, 0.67, 0.58)),
        kerb=((0.75, 0.74, 0.70), (0.78, 0.70, 0.34)),
        grass=((0.33, 0.50, 0.16), (0.42, 0.52, 0.20), (0.55, 0.50, 0.26)),
        plaster=((0.82, 0.74, 0.60), (0.78, 0.62, 0.48), (0.86, 0.82, 0.74), (0.58, 0.66, 0.72), (0.75, 0.52, 0.42)),
        brick=((0.62, 0.34, 0.25), (0.52, 0.30, 0.24)),
        roof=((0.45, 0.40, 0.38), (0.55, 0.35, 0.26)),
        leaf=((0.24, 0.43, 0.14), (0.32, 0.46, 0.18), (0.19, 0.34, 0.15)),
        car=(
            (0.78, 0.08, 0.08), (0.08, 0.22, 0.65), (0.92, 0.92, 0.90), (0.95, 0.72, 0.08),
            (0.10, 0.10, 0.12), (0.10, 0.50, 0.30), (0.85, 0.42, 0.08), (0.60, 0.62, 0.65),
        ),
        bus=((0.86, 0.88, 0.92), (0.15, 0.35, 0.75), (0.92, 0.90, 0.84)),
        truck=((0.80, 0.18, 0.12), (0.90, 0.90, 0.88), (0.16, 0.30, 0.60), (0.92, 0.66, 0.12)),
        train=((0.74, 0.76, 0.80), (0.62, 0.68, 0.76), (0.74, 0.22, 0.18), (0.82, 0.70, 0.24)),
        cloth=(
            (0.85, 0.15, 0.15), (0.15, 0.35, 0.80), (0.92, 0.90, 0.86), (0.95, 0.75, 0.15),
            (0.20, 0.60, 0.35), (0.12, 0.12, 0.16), (0.70, 0.30, 0.60),
        ),
        wall=((0.74, 0.68, 0.58), (0.80, 0.74, 0.66), (0.66, 0.62, 0.58)),
        fence=((0.60, 0.62, 0.64), (0.56, 0.40, 0.24), (0.70, 0.72, 0.72)),
        pole=((0.50, 0.52, 0.52), (0.40, 0.36, 0.32)),
        light=((0.86, 0.66, 0.10), (0.12, 0.13, 0.12)),
        sign=((0.05, 0.45, 0.25), (0.95, 0.78, 0.10), (0.92, 0.92, 0.92), (0.85, 0.12, 0.10), (0.10, 0.28, 0.65)),
        paving_texture="paving",
        road_texture="asphalt",
    ),
    traffic=Traffic(
        chance={
            "car": 0.95, "truck": 0.52, "bus": 0.42, "train": 0.38, "motor": 0.50, "rider": 0.45, "bike": 0.30,
            "wall": 0.60, "fence": 0.60, "light": 0.60, "sign": 0.65, "terrain": 0.45,
        },
        pedestrians=(2, 9),
    ),
)  # fmt: skip

CAMERA = Domain(
    name="camera",
    number=2,
    light=Light(
        sun=(0.15, 0.50),
        ambient=(0.62, 0.82),
        elevation_degrees=(18, 42),
        sun_colour=(1.0, 0.95, 0.86),
        ambient_colour=(0.96, 1.0, 1.05),
        shadow=(0.25, 0.50),
        haze=(0.003, 0.009),
        horizon=((0.90, 0.91, 0.91), (0.86, 0.88, 0.90), (0.93, 0.92, 0.89)),
        zenith=((0.68, 0.75, 0.83), (0.78, 0.81, 0.85), (0.50, 0.65, 0.84)),
        cloud=(0.4, 1.0),
    ),
    view=View(height=(1.25, 1.6), fov=(52, 61), pitch=(-3.0, 0.5), yaw_spread=2.5),
    sensor=Sensor(
        blur=(0.05, 0.14),
        chromatic=0.0022,
        vignette=(0.18, 0.34),
        exposure=(0.95, 1.25),
        white_balance=(0.93, 1.0, 0.97),
        white_balance_spread=0.04,
        saturation=(0.78, 1.0),
        gamma=(0.9, 1.1),
        black=0.025,
        shot_noise=(0.008, 0.022),
        read_noise=(0.004, 0.010),
        glow=0.0,
    ),
    layout=Layout(
        lane_width=(2.9, 3.3),
        lanes=(1, 1, 2),
        sidewalk_width=(2.0, 3.8),
        verge_chance=0.35,
        parking_chance=0.5,
        crossing_chance=0.35,
        setback=(0.0, 2.5),
        storeys=(3, 6),
        storey_height=(2.9, 3.4),
        lot_width=(8.0, 17.0),
        tower_chance=0.0,
        pitched_roof_chance=0.75,
        palm_chance=0.0,
        tree_spacing=(8.0, 20.0),
        lamp_spacing=(16.0, 28.0),
        traffic_gap=(6.0, 26.0),
        park_chance=0.16,
        yellow_centre=False,
    ),
    paints=Paints(
        asphalt=((0.33, 0.34, 0.36), (0.40, 0.40, 0.42), (0.46, 0.45, 0.45)),
        paving=((0.52, 0.50, 0.49), (0.58, 0.55, 0.53), (0.50, 0.46, 0.45)),
        kerb=((0.60, 0.60, 0.60),),
        grass=((0.33, 0.42, 0.20), (0.40, 0.43, 0.25), (0.30, 0.38, 0.20)),
        plaster=((0.78, 0.74, 0.64), (0.70, 0.70, 0.70), (0.76, 0.66, 0.52), (0.66, 0.60, 0.56), (0.80, 0.78, 0.72)),
        brick=((0.52, 0.32, 0.27), (0.46, 0.33, 0.29)),
        roof=((0.45, 0.25, 0.20), (0.30, 0.28, 0.29), (0.38, 0.24, 0.21)),
        leaf=((0.24, 0.37, 0.15), (0.31, 0.39, 0.17), (0.20, 0.31, 0.15)),
        car=(
            (0.08, 0.08, 0.09), (0.24, 0.25, 0.27), (0.62, 0.64, 0.66), (0.86, 0.86, 0.85), (0.10, 0.14, 0.28),
            (0.45, 0.10, 0.10), (0.42, 0.43, 0.46),
        ),
        bus=((0.85, 0.66, 0.12), (0.86, 0.86, 0.85), (0.60, 0.14, 0.14)),
        truck=((0.88, 0.88, 0.87), (0.80, 0.45, 0.10), (0.35, 0.42, 0.52), (0.88, 0.80, 0.20)),
        train=((0.82, 0.68, 0.14), (0.72, 0.16, 0.14), (0.80, 0.80, 0.78)),
        cloth=(
            (0.12, 0.13, 0.16), (0.25, 0.28, 0.36), (0.40, 0.36, 0.32), (0.62, 0.60, 0.58), (0.45, 0.14, 0.16),
            (0.20, 0.30, 0.24), (0.20, 0.24, 0.42),
        ),
        wall=((0.56, 0.54, 0.52), (0.52, 0.38, 0.32), (0.64, 0.60, 0.54)),
        fence=((0.20, 0.24, 0.22), (0.42, 0.44, 0.44), (0.36, 0.28, 0.22)),
        pole=((0.40, 0.42, 0.43), (0.28, 0.31, 0.31), (0.52, 0.53, 0.53)),
        light=((0.07, 0.08, 0.08), (0.10, 0.14, 0.12)),
        sign=((0.10, 0.25, 0.62), (0.78, 0.12, 0.12), (0.88, 0.88, 0.86), (0.90, 0.76, 0.14)),
        paving_texture="tile",
        road_texture="asphalt",
    ),
    traffic=Traffic(
        chance={
            "car": 0.97, "truck": 0.40, "bus": 0.42, "train": 0.42, "motor": 0.42, "rider": 0.58, "bike": 0.60,
            "wall": 0.60, "fence": 0.62, "light": 0.65, "sign": 0.75, "terrain": 0.45,
        },
        pedestrians=(3, 14),
    ),
)  # fmt: skip

DOMAINS = {each.name: each for each in (GAME, CAMERA)}


def domain_of(name: str) -> Domain:
    """The domain of that name; UserError if there is none."""
    if name not in DOMAINS:
        raise UserError(f"domain {name!r} of the built-in streets is unknown: use one of {', '.join(DOMAINS)}")
    return DOMAINS[name]
