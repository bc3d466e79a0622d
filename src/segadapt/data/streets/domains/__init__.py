"""The domains in numbers, one file each: what differs between them, and by how much."""

from segadapt.core.errors import UserError
from segadapt.data.streets.domains.camera import CAMERA
from segadapt.data.streets.domains.elsewhere import ELSEWHERE
from segadapt.data.streets.domains.game import GAME
from segadapt.data.streets.domains.kinds import Domain, Layout, Light, Paints, Palette, Range, Sensor, Traffic, View
from segadapt.data.streets.domains.rio import RIO
from segadapt.data.streets.domains.rome import ROME
from segadapt.data.streets.domains.synthia import SYNTHIA
from segadapt.data.streets.domains.taipei import TAIPEI
from segadapt.data.streets.domains.tokyo import TOKYO
from segadapt.data.streets.domains.town import TOWN

DOMAINS = {each.name: each for each in (GAME, CAMERA, TOWN, SYNTHIA, ROME, RIO, TOKYO, TAIPEI, ELSEWHERE)}


def domain_of(name: str) -> Domain:
    """The domain of that name; UserError if there is none."""
    if name not in DOMAINS:
        raise UserError(f"domain {name!r} of the built-in streets is unknown: use one of {', '.join(DOMAINS)}")
    return DOMAINS[name]
