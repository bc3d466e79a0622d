"""What a domain of the built-in streets consists of: numbers and palettes, nothing else."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

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
    """The camera: height and distances in metres, angles in degrees (horizontal field of view).

    ``offset`` is the spread (one sigma) of the camera about the middle of its lane.
    """

    height: Range
    fov: Range
    pitch: Range
    yaw_spread: float
    offset: float = 0.2


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

    ``palm_chance``, ``bare_chance`` and ``pine_chance`` are shares of the trees: palms, broad-leaved trees in winter
    and umbrella pines. ``board_chance`` is the share of houses with upright signboards, ``hill_chance`` that of scenes
    that end in wooded rocks; ``wires`` hang from pole to pole.
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
    pine_chance: float = 0.0
    board_chance: float = 0.0
    hill_chance: float = 0.0
    wires: bool = False


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
    """Chance that a scene shows at least one such thing near the camera, and mean numbers of people.

    ``rides`` is how many a scene has, at least and at most, of the ``rider``, ``motor`` and ``bike`` that it shows.
    """

    chance: dict[str, float]
    pedestrians: Range
    rides: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Domain:
    """``number`` is a part of every scene's seed, so no two domains may share one.

    ``place_of`` gives a scene's own numbers where they differ from one scene to the next.
    """

    name: str
    number: int
    light: Light
    view: View
    sensor: Sensor
    layout: Layout
    paints: Paints
    traffic: Traffic
    place_of: "Callable[[int], Domain] | None" = None

    def at(self, scene: int) -> "Domain":
        """The numbers of the scene of that number."""
        return self if self.place_of is None else self.place_of(scene)

    def variant(self, name: str, number: int, **parts: dict[str, Any]) -> "Domain":
        """This domain with some numbers of some parts (``light={"sun": ...}``) replaced."""
        changed = {part: replace(getattr(self, part), **numbers) for part, numbers in parts.items()}
        return replace(self, name=name, number=number, **changed)
