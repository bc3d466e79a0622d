"""A scene under construction: its quads, its camera, its sun, and which ground is taken."""

import math
from dataclasses import dataclass, field

import numpy as np

from segadapt.data.streets.domains import Domain, Palette, Range
from segadapt.data.streets.shapes import Pass, join, quads


@dataclass
class Scene:
    """Everything random about a scene comes from its one generator, in one fixed order."""

    domain: Domain
    rng: np.random.Generator
    camera: tuple[float, float, float] = (0.0, 0.0, 1.5)
    yaw: float = 0.0
    pitch: float = 0.0
    fov: float = 60.0
    sun: np.ndarray = field(default_factory=lambda: np.array([0.0, 0.0, 1.0]))
    sun_strength: float = 0.5
    ambient: float = 0.6
    shadow: float = 0.4
    pieces: list[np.ndarray] = field(default_factory=list)
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def add(self, made: np.ndarray) -> None:
        self.pieces.append(made)

    def quads(self) -> np.ndarray:
        return join(self.pieces)

    def uniform(self, span: Range) -> float:
        return float(self.rng.uniform(*span))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pick(self, options):
        return options[int(self.rng.integers(len(options)))]

    def paint(self, palette: Palette, spread: float = 0.10) -> np.ndarray:
        """A colour of ``palette``, a little varied."""
        colour = np.asarray(self.pick(palette)) * self.rng.uniform(1 - spread, 1 + spread)
        return np.clip(colour + self.rng.normal(0, 0.012, 3), 0.02, 1.0)

    def nearest_visible(self, x: float, margin: float = 1.5) -> float:
        """Distance ahead of the camera from which a thing at ``x`` is inside the picture."""
        slope = math.tan(math.radians(self.fov / 2))
        return self.camera[1] + abs(x - self.camera[0]) / slope + margin

    def claim(self, x: float, y: float, half_x: float, half_y: float) -> bool:
        """Takes a rectangle of ground; False, taking nothing, if part of it is taken."""
        low_x, high_x, low_y, high_y = x - half_x, x + half_x, y - half_y, y + half_y
        for a, b, c, d in self.taken:
            if low_x < b and high_x > a and low_y < d and high_y > c:
                return False
        self.taken.append((low_x, high_x, low_y, high_y))
        return True

    def contact_shadow(self, x: float, y: float, half_x: float, half_y: float, yaw: float, height: float) -> None:
        """A soft dark rectangle below a thing, pushed away from the sun."""
        reach = min(1.2, height * 0.35) * self.sun_strength
        shift = -self.sun[:2] * reach
        cosine, sine = math.cos(yaw), math.sin(yaw)
        turn = np.array([(cosine, sine), (-sine, cosine)])
        unit = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float)
        inner = unit * (half_x, half_y) @ turn
        outer = unit * (half_x + 0.45, half_y + 0.45) @ turn + shift
        rings = [np.concatenate([ring + np.array((x, y)), np.full((4, 1), 0.02)], 1) for ring in (inner, outer)]
        rim = np.stack([rings[0], np.roll(rings[0], -1, 0), np.roll(rings[1], -1, 0), rings[1]], 1)
        made = quads(np.concatenate([rings[0][None], rim]), 0.0, drawn=Pass.SHADOW, level=4)
        strength = min(0.75, self.shadow + 0.2)
        made["alpha"][0] = strength
        made["alpha"][1:] = strength * np.array([1, 1, 0, 0])
        self.add(made)
