"""Other people's weights into our format: read without running code, explained to the last key, or refused."""

from segadapt.models.importing.convert import import_weights
from segadapt.models.importing.kinds import KINDS
