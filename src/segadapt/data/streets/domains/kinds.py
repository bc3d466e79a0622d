"""What a domain of the built-in streets consists of: numbers and palettes, nothing else."""

from dataclasses import dataclass

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
    """Street and lots; widths and heights in metres, chances 0..1.

    ``palm_chance`` and ``bare_chance`` are shares of the trees: palms, and broad-leaved trees in winter.
    """

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
    bare_chance: float
    brick_chance: float
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
