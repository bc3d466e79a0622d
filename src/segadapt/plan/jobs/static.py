"""Maps of what stands still in the target's images, for methods that ask for them: made from pairs, or the user's."""

from segadapt.core.errors import UserError
from segadapt.core.job import Input, Job
from segadapt.core.parameters import MethodEntry, in_file
from segadapt.labels import CLASS_SETS, MOVING, STATIC2
from segadapt.plan.methods import checked_options
from segadapt.plan.planner import Planner


def static_input(planner: Planner, name: str, method: MethodEntry) -> list[Input]:
    """The maps that a method's training reads, if it reads any.

    UserError where nothing gives them, for maps of another size or kind, and for classes of which none moves or all do.
    """
    if not checked_options(name, method).get("static_prior"):
        return []
    settings, caches = planner.training(method), planner.preset.caches
    where, preset = f"params.yaml: methods.{name}.options.static_prior", planner.parameters.preset
    classes = CLASS_SETS[planner.preset.model.classes]
    still = [each not in MOVING for each in classes.classes]
    if all(still) or not any(still):
        what = "moves" if all(still) else "stands still"
        raise UserError(f"{where}: no class of {classes.name} {what}; train on classes of streets, or drop this row")
    given = settings.static or settings.later
    if given is None:
        raise UserError(
            f"{where}: nothing says what stands still in {settings.target}; name a cache of the same places at another "
            f"time as {method.stage}.later in presets/{preset}.yaml, or one of maps as {method.stage}.static"
        )
    if caches[given].size != caches[settings.target].size:
        raise UserError(
            f"{in_file(f'presets.{preset}.caches.{given}.size')}: {caches[given].size} is not that of "
            f"{settings.target}, {caches[settings.target].size}; give both one size"
        )
    if settings.static is None:
        return [Input("static", planner.path("static", "manifest", cache=settings.target))]
    if caches[given].classes != STATIC2.name:
        raise UserError(
            f"{in_file(f'presets.{preset}.caches.{given}.classes')}: maps hold classes of {STATIC2.name}; set that"
        )
    return [Input("static", planner.cache(given))]


def static_jobs(planner: Planner, name: str, method: MethodEntry) -> list[Job]:
    """What makes the maps of a method's target; it is the same job for all that ask for it."""
    settings = planner.training(method)
    if not static_input(planner, name, method) or settings.static is not None:
        return []
    inputs = [Input("target", planner.cache(settings.target)), Input("later", planner.cache(settings.later))]
    return [planner.job("static", {"cache": settings.target}, inputs=inputs, config={})]
